{{ config(partitions=months()) }}

with
{%- for service, broken_by_rule in rules().items() %}
counted_{{ service }} as (
    select
        source_month,
        count(*) as trips
        {%- for rule, broken in broken_by_rule.items() %},
        sum(case when {{ broken }} then 1 else 0 end) as {{ rule }}
        {%- endfor %}
    from {{ ref('stg_' ~ service ~ '_trips') }}
    where {{ in_months() }}
    group by source_month
),
{% endfor %}
ledger as (
    select * from {{ ref('loaded_months') }} where {{ in_months() }}
),

-- What the tables hold, and what the ledger says that they hold, one below the other.
counts as (
    {%- for service, broken_by_rule in rules().items() %}
    select
        source_month,
        '{{ service }}' as service,
        'loaded' as outcome,
        cast(null as {{ text_type() }}) as rule,
        trips,
        0 as ledger_trips
    from counted_{{ service }}
    union all
    select
        counted.source_month,
        '{{ service }}' as service,
        'flagged' as outcome,
        names.rule,
        case names.rule
            {%- for rule in broken_by_rule %}
            when '{{ rule }}' then counted.{{ rule }}
            {%- endfor %}
        end as trips,
        0 as ledger_trips
    from counted_{{ service }} as counted
    cross join ({{ _names(broken_by_rule) }}) as names
    union all
    {%- endfor %}
    select source_month, service, 'loaded' as outcome, null as rule, 0 as trips, rows_loaded as ledger_trips
    from ledger
    {%- for outcome, names, counted in [
        ('flagged', all_rules(), '0'), ('rejected', all_rules() + unloadable_rules(), none)
    ] %}
    {%- set in_ledger %}case names.rule
            {%- for rule in names %}
            when '{{ rule }}' then {{ json_count('ledger.' ~ outcome ~ '_by_rule', rule) }}
            {%- endfor %}
        end{% endset %}
    union all
    select
        ledger.source_month,
        ledger.service,
        '{{ outcome }}' as outcome,
        names.rule,
        -- Rejected rows are in no table of trips.
        {{ counted or in_ledger }} as trips,
        {{ in_ledger }} as ledger_trips
    from ledger
    cross join ({{ _names(names) }}) as names
    {%- endfor %}
),

summed as (
    select
        source_month,
        service,
        outcome,
        rule,
        cast(coalesce(sum(trips), 0) as {{ count_type() }}) as trips,
        cast(coalesce(sum(ledger_trips), 0) as {{ count_type() }}) as ledger_trips
    from counts
    group by source_month, service, outcome, rule
)

select
    source_month,
    service,
    case when outcome = 'loaded' and trips = 0 and ledger_trips > 0 then 'removed' else outcome end as outcome,
    rule,
    trips,
    ledger_trips
from summed
where outcome = 'loaded' or trips > 0 or ledger_trips > 0
