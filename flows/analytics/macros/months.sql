{# The months that this run builds, as SQL dates: those in TLC_MONTHS, as in 2024-05,2024-06. An empty list is all.

   They are read when a statement is made. Where dbt has to know them before, as partitions for BigQuery, it parses the
   marts anew with each change of months, which takes two seconds. #}
{% macro months() %}
  {%- set found = [] -%}
  {%- if not execute and target.type != 'bigquery' -%}{{ return(found) }}{%- endif -%}
  {%- for month in env_var('TLC_MONTHS', '').split(',') if month -%}
    {%- if not modules.re.fullmatch('[0-9]{4}-(0[1-9]|1[0-2])', month) -%}
      {{ exceptions.raise_compiler_error("TLC_MONTHS has '" ~ month ~ "'; write it as in 2024-05,2024-06") }}
    {%- endif -%}
    {%- do found.append("date '" ~ month ~ "-01'") -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}


{# The condition that a row is of one of these months. Literals, so that every engine reads only their partitions. #}
{% macro in_months(column='source_month') %}
  {{- column ~ ' in (' ~ months() | join(', ') ~ ')' if months() else 'true' -}}
{% endmacro %}


{# Tests look at the months that this run builds: __months__ in their `where`, as dbt_project.yml says. #}
{% macro get_where_subquery(relation) %}
  {%- set where = config.get('where', '') | replace('__months__', in_months()) -%}
  {%- if where -%}
    (select * from {{ relation }} where {{ where }}) as dbt_subquery
  {%- else -%}
    {{ relation }}
  {%- endif -%}
{% endmacro %}
