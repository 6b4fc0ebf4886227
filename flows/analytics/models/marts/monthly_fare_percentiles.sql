{{ config(partitions=months()) }}

with fares as (
    select source_month, service, fare_amount
    from {{ ref('trips') }}
    where {{ in_months() }} and not {{ left_out('monthly_fare_percentiles') }}
)

{{ percentiles('fares', ['source_month', 'service'], 'fare_amount', [0.25, 0.5, 0.75, 0.9, 0.95, 0.97]) }}
