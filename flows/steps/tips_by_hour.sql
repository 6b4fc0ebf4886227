-- target: postgres, bigquery
-- reads: tlc.green_trips, tlc.payment_types
--
-- Tips of green taxis in a month, by the hour of the pickup and the way of payment. Cash tips are not recorded.
select
    cast(extract(hour from t.lpep_pickup_datetime) as integer) as hour,
    coalesce(p.name, 'Not said') as payment,
    count(*) as trips,
    round(cast(avg(t.tip_amount) as numeric), 2) as mean_tip,
    round(cast(100 * sum(t.tip_amount) / nullif(sum(t.fare_amount), 0) as numeric), 1) as percent_of_fare,
    round(cast(100.0 * sum(case when t.tip_amount > 0 then 1 else 0 end) / count(*) as numeric), 1) as percent_tipped
from tlc.green_trips t
left join tlc.payment_types p on p.code = t.payment_type
where t.source_month = cast(current_setting('tlc.month') || '-01' as date)
group by 1, 2
order by 1, 3 desc, 2;
