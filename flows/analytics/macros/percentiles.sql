{# A statement that gives percentiles of `value`, and the number of rows as `trips`, for each group of `by`.

   The same as percentile_cont: between two values it interpolates. But BigQuery has that for windows alone, and DuckDB
   keeps every value in memory. Here equal values are counted first, so that what is sorted is small: a month's fares
   are some thousand different ones.

   relation   a table or CTE; rows whose value is null are not counted
   by         names of columns
   value      the name of the column
   points     such as 0.5, 0.9; they become the columns p50, p90
#}
{% macro percentiles(relation, by, value, points) %}
  {%- set keys = by | join(', ') -%}
  select
    {{ keys }},
    max(trips) as trips
    {%- for point in points %}
    {%- set place = point ~ ' * cast(trips - 1 as ' ~ double_type() ~ ')' -%}
    {%- set lower = _value_at(value, 'floor(' ~ place ~ ')') -%}
    {%- set upper = _value_at(value, 'ceiling(' ~ place ~ ')') %},
    {{ lower }} + max({{ place }} - floor({{ place }})) * ({{ upper }} - {{ lower }})
      as p{{ (point * 100) | round | int }}
    {%- endfor %}
  from (
    select
      {{ keys }}, {{ value }}, {{ value }}_rows,
      sum({{ value }}_rows) over (partition by {{ keys }} order by {{ value }}) as {{ value }}_end,
      cast(sum({{ value }}_rows) over (partition by {{ keys }}) as {{ count_type() }}) as trips
    from (
      select {{ keys }}, {{ value }}, count(*) as {{ value }}_rows
      from {{ relation }}
      where {{ value }} is not null
      group by {{ keys }}, {{ value }}
    ) as counted
  ) as placed
  group by {{ keys }}
{% endmacro %}


{# The value of the row at a place, counted from 0 in the order of values. #}
{% macro _value_at(value, place) %}
  {{- 'max(case when ' ~ value ~ '_end - ' ~ value ~ '_rows <= ' ~ place ~ ' and ' ~ value ~ '_end > ' ~ place
      ~ ' then ' ~ value ~ ' end)' -}}
{% endmacro %}
