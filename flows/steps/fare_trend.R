# target: postgres
# reads: tlc.green_trips, tlc.yellow_trips
# parameters: dataset=green
#
# Is the mean fare rising? A point a day of the twelve months up to TLC_MONTH, and the line through them.
for (package in c("DBI", "RPostgreSQL")) {
  if (!requireNamespace(package, quietly = TRUE)) {
    stop("R has no ", package, ": apt-get install r-cran-dbi r-cran-rpostgresql")
  }
}
dataset <- Sys.getenv("TLC_DATASET", "green")
pickup <- c(green = "lpep_pickup_datetime", yellow = "tpep_pickup_datetime")[dataset]
if (is.na(pickup)) stop("dataset=", dataset, ": choose from green, yellow")
month <- as.Date(paste0(Sys.getenv("TLC_MONTH"), "-01"))
output <- Sys.getenv("TLC_OUTPUT", ".")

connection <- DBI::dbConnect(RPostgreSQL::PostgreSQL()) # libpq's variables say which
days <- DBI::dbGetQuery(connection, sprintf("
  select %1$s::date as day, count(*)::float8 as trips, avg(fare_amount) as fare
  from tlc.%2$s_trips
  where source_month > '%3$s'::date - interval '12 months' and source_month <= '%3$s'
    and date_trunc('month', %1$s) = source_month and fare_amount > 0
  group by 1 order by 1", pickup, dataset, month))
invisible(DBI::dbDisconnect(connection))
if (nrow(days) < 3) stop(dataset, " has ", nrow(days), " days of fares up to ", Sys.getenv("TLC_MONTH"), ": load more")

line <- lm(fare ~ day, data = days, weights = trips)
slope <- 30 * c(coef(line)[["day"]], confint(line)["day", ])
sentence <- sprintf(
  "%s, %s to %s, %d days: the mean fare changes by $%.2f in 30 days (95 %% confidence: %.2f to %.2f).",
  dataset, min(days$day), max(days$day), nrow(days), slope[1], slope[2], slope[3]
)
cat(sentence, "\n")

svg(file.path(output, "fare_trend.svg"), width = 9, height = 4.5)
plot(days$day, days$fare, pch = 20, col = "steelblue", xlab = "", ylab = "Mean fare, $", main = paste("Fares:", dataset))
lines(days$day, fitted(line), col = "firebrick", lwd = 2)
invisible(dev.off())
write.csv(days, file.path(output, "fare_trend.csv"), row.names = FALSE)
writeLines(c("## Trend of fares", "", sentence), file.path(output, "fare_trend.md"))
