{# What Postgres, DuckDB and BigQuery write differently. #}

{% macro double_type() %}{{ 'float64' if target.type == 'bigquery' else 'double precision' }}{% endmacro %}


{# A number's type with room for every count. #}
{% macro count_type() %}{{ 'int64' if target.type == 'bigquery' else 'bigint' }}{% endmacro %}


{% macro text_type() %}{{ 'string' if target.type == 'bigquery' else 'text' }}{% endmacro %}


{# Minutes from one wall-clock time to another; negative if it is the earlier one. #}
{% macro minutes_between(first, last) %}
  {%- if target.type == 'bigquery' -%}
    datetime_diff({{ last }}, {{ first }}, second) / 60.0
  {%- else -%}
    date_part('epoch', {{ last }} - {{ first }}) / 60.0
  {%- endif -%}
{% endmacro %}


{# The full hour that a wall-clock time is in. #}
{% macro hour_of(time) %}
  {{- 'datetime_trunc(' ~ time ~ ', hour)' if target.type == 'bigquery' else "date_trunc('hour', " ~ time ~ ')' -}}
{% endmacro %}


{# A date some days, months or years later. #}
{% macro later(date, number, unit) %}
  {%- if target.type == 'bigquery' -%}
    date_add({{ date }}, interval {{ number }} {{ unit }})
  {%- else -%}
    cast({{ date }} + interval '{{ number }} {{ unit }}' as date)
  {%- endif -%}
{% endmacro %}


{# The number that a JSON object has under a key; null if it has none. #}
{% macro json_count(json, key) %}
  {%- if target.type == 'bigquery' -%}
    cast(json_value({{ json }}, '$.{{ key }}') as int64)
  {%- else -%}
    cast({{ json }} ->> '{{ key }}' as bigint)
  {%- endif -%}
{% endmacro %}
