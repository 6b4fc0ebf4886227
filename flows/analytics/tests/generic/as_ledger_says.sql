{# Of month_quality: the table holds the rows that the ledger says were loaded. #}
{% test loaded_as_ledger_says(model) %}
select service, source_month, trips, ledger_trips
from {{ model }}
where outcome = 'loaded' and trips <> ledger_trips
{% endtest %}


{# Of month_quality: each rule is broken by as many loaded rows as the ledger says. It differs if the rule or the codes
   that it knows changed since the load. #}
{% test flagged_as_ledger_says(model) %}
select service, source_month, rule, trips, ledger_trips
from {{ model }}
where outcome = 'flagged' and trips <> ledger_trips
{% endtest %}
