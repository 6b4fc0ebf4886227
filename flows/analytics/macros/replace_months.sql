{# The strategy of the marts: replace whole months, also by nothing. dbt's own delete+insert deletes only months that
   have new rows, and so would keep the old rows of a month that has none any more. Both statements are one transaction.
#}
{% macro get_incremental_replace_months_sql(arguments) %}
  {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
  delete from {{ arguments['target_relation'] }} where {{ in_months() }};
  insert into {{ arguments['target_relation'] }} ({{ columns }})
  select {{ columns }} from {{ arguments['temp_relation'] }}
{% endmacro %}
