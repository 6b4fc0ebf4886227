{# The names of all rules that a loaded trip can break, each once. #}
{% macro all_rules() %}
  {%- set names = [] -%}
  {%- for broken_by_rule in rules().values() -%}
    {%- for rule in broken_by_rule if rule not in names -%}{%- do names.append(rule) -%}{%- endfor -%}
  {%- endfor -%}
  {{ return(names) }}
{% endmacro %}


{# A statement with a row for each name. #}
{% macro _names(names) %}
  {%- for name in names -%}
    {{- ' union all ' if not loop.first }}select '{{ name }}' as rule
  {%- endfor -%}
{% endmacro %}
