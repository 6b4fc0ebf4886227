{# The rows of `trips` that a mart leaves out, as a condition; none if it leaves out nothing. The mart and its test both
   read it here. A condition is never null: a row is left out or it is not.

   monthly_fare_percentiles   no fare that says anything: none, zero, a refund, no distance; and taxi trips that were
                              paid neither by card nor in cash
   fhv_travel_time            not of fhv, a zone or the drop-off's time is missing, or that is before the pickup
   airport_trips              not to Newark (1), JFK (132) or LaGuardia (138), or no sound time of arrival
   tips                       of fhv, which has no tips
#}
{% macro left_out(mart) %}
  {{ return({
    'monthly_fare_percentiles':
      "(service = 'fhv' or coalesce(fare_amount, 0) <= 0 or coalesce(trip_distance, 0) <= 0"
      ~ " or (service in ('yellow', 'green') and coalesce(payment_type, -1) not in (1, 2)))",
    'fhv_travel_time':
      "(service <> 'fhv' or pu_location_id is null or do_location_id is null or dropoff_datetime is null"
      ~ ' or dropoff_datetime < pickup_datetime)',
    'airport_trips':
      '(coalesce(do_location_id, 0) not in (1, 132, 138) or dropoff_datetime is null'
      ~ ' or dropoff_datetime < pickup_datetime)',
    'tips': "(service = 'fhv')",
  }.get(mart)) }}
{% endmacro %}
