{#- What the ledger says of each month that was ever loaded: its last load. -#}
select
    dataset as service,
    cast(month || '-01' as date) as source_month,
    load_id,
    loaded_at,
    rows_read,
    rows_loaded,
    rows_rejected,
    rows_flagged,
    rejected_by_rule,
    flagged_by_rule
from (
    select *, row_number() over (partition by dataset, month order by load_id desc) as place
    from {{ source('tlc', 'loads') }}
) as loads
where place = 1
