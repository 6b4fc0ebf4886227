{# Written by `python -m flows.tlc.dbt_files` from flows/tlc: change that, not this.
   The conditions of the rules by dataset and rule, and the names of what cannot be loaded at all. #}
{% macro rules() %}
  {{ return({
    'yellow': {
      'pickup_outside_month':
        "cast(tpep_pickup_datetime as date) < source_month"
        ~ " or cast(tpep_pickup_datetime as date) >= " ~ later('source_month', 1, 'month'),
      'dropoff_before_pickup':
        "tpep_dropoff_datetime < tpep_pickup_datetime",
      'negative_total':
        "total_amount < 0",
      'zero_distance':
        "trip_distance = 0",
      'no_passengers':
        "passenger_count = 0",
      'distance_over_500_miles':
        "trip_distance > 500",
      'unknown_pickup_zone':
        "pu_location_id < 1 or pu_location_id > 265",
      'unknown_dropoff_zone':
        "do_location_id < 1 or do_location_id > 265",
      'unknown_vendor':
        "vendor_id not in (1, 2, 3, 6, 7)",
      'unknown_ratecode':
        "ratecode_id not in (1, 2, 3, 4, 5, 6, 99)",
      'unknown_payment_type':
        "payment_type not in (0, 1, 2, 3, 4, 5, 6)",
    },
    'green': {
      'pickup_outside_month':
        "cast(lpep_pickup_datetime as date) < source_month"
        ~ " or cast(lpep_pickup_datetime as date) >= " ~ later('source_month', 1, 'month'),
      'dropoff_before_pickup':
        "lpep_dropoff_datetime < lpep_pickup_datetime",
      'negative_total':
        "total_amount < 0",
      'zero_distance':
        "trip_distance = 0",
      'no_passengers':
        "passenger_count = 0",
      'distance_over_500_miles':
        "trip_distance > 500",
      'unknown_pickup_zone':
        "pu_location_id < 1 or pu_location_id > 265",
      'unknown_dropoff_zone':
        "do_location_id < 1 or do_location_id > 265",
      'unknown_vendor':
        "vendor_id not in (1, 2, 6, 7)",
      'unknown_ratecode':
        "ratecode_id not in (1, 2, 3, 4, 5, 6, 99)",
      'unknown_payment_type':
        "payment_type not in (0, 1, 2, 3, 4, 5, 6)",
      'unknown_trip_type':
        "trip_type not in (1, 2)",
    },
    'fhv': {
      'pickup_outside_month':
        "cast(pickup_datetime as date) < source_month"
        ~ " or cast(pickup_datetime as date) >= " ~ later('source_month', 1, 'month'),
      'dropoff_before_pickup':
        "dropoff_datetime < pickup_datetime",
      'unknown_pickup_zone':
        "pu_location_id < 1 or pu_location_id > 265",
      'unknown_dropoff_zone':
        "do_location_id < 1 or do_location_id > 265",
    },
    'fhvhv': {
      'pickup_outside_month':
        "cast(pickup_datetime as date) < source_month"
        ~ " or cast(pickup_datetime as date) >= " ~ later('source_month', 1, 'month'),
      'dropoff_before_pickup':
        "dropoff_datetime < pickup_datetime",
      'negative_total':
        "base_passenger_fare < 0",
      'zero_distance':
        "trip_miles = 0",
      'distance_over_500_miles':
        "trip_miles > 500",
      'unknown_pickup_zone':
        "pu_location_id < 1 or pu_location_id > 265",
      'unknown_dropoff_zone':
        "do_location_id < 1 or do_location_id > 265",
    },
  }) }}
{% endmacro %}


{% macro unloadable_rules() %}
  {{ return(['missing_pickup', 'unfit_value', 'ragged_line']) }}
{% endmacro %}
