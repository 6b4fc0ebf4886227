{# Postgres' views are replaced in place as long as their columns stay the same or are added to. dbt's own way makes a
   new view and drops the old one "cascade", and with it every view that somebody has made on top of it. #}
{% materialization view, adapter='postgres' %}
  {%- set existing = load_cached_relation(this) -%}
  {%- if existing is none or not existing.is_view or not _can_be_replaced(existing, sql) -%}
    {{ return(materialization_view_default()) }}
  {%- endif -%}
  {%- set target = this.incorporate(type='view') -%}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {% call statement('main') %}
    {{ get_create_view_as_sql(target, sql) | replace('create view', 'create or replace view', 1) }}
  {% endcall %}
  {% do apply_grants(target, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=True)) %}
  {% do persist_docs(target, model) %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do adapter.commit() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}


{# Whether the query has the columns of the view, in its order, perhaps followed by others. Only Postgres knows. #}
{% macro _can_be_replaced(view, sql) %}
  {%- set probe = make_intermediate_relation(view) -%}
  {% do run_query('drop view if exists ' ~ probe) %}
  {% do run_query(get_create_view_as_sql(probe, sql)) %}
  {%- set ours, theirs = adapter.get_columns_in_relation(probe), adapter.get_columns_in_relation(view) -%}
  {% do run_query('drop view ' ~ probe) %}
  {%- for column in theirs -%}
    {%- if loop.index0 >= ours | length
        or (ours[loop.index0].name, ours[loop.index0].data_type) != (column.name, column.data_type) -%}
      {{ return(false) }}
    {%- endif -%}
  {%- endfor -%}
  {{ return(true) }}
{% endmacro %}
