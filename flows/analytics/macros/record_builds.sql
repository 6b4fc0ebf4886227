{# What each mart's months were built from, in `model_builds` beside the marts: written when a run ends, for the marts
   that it built and tested, and whose tests passed. The flow build_models compares it with the ledger.

   TLC_LOADS, which the flow sets, has the loads of before the run, as JSON: a list of [dataset, month's
   first day, loaded_at]. A load that came meanwhile is not among them, so that its month is built again. A run without
   TLC_LOADS, by hand, records nothing: its months are built once more by the next flow run. #}
{% macro record_builds(results) %}
  {%- set loads = fromjson(env_var('TLC_LOADS', '[]')) -%}
  {%- set tested, failed = [], [] -%}
  {%- for result in results if result.node.resource_type == 'test' -%}
    {%- do (tested if result.status in ('pass', 'warn') else failed).extend(result.node.depends_on.nodes) -%}
  {%- endfor -%}
  {%- set built = [] -%}
  {%- for result in results
      if result.node.resource_type == 'model' and result.node.fqn[1] == 'marts' and result.status == 'success'
      and result.node.unique_id in tested and result.node.unique_id not in failed -%}
    {%- do built.append("'" ~ result.node.name ~ "'") -%}
  {%- endfor -%}
  {%- if execute and built and months() and env_var('TLC_LOADS', '') -%}
    {%- set table = api.Relation.create(
        database=target.database, schema=target.schema ~ '_marts', identifier='model_builds') -%}
    {%- set time = 'timestamp' if target.type == 'bigquery' else 'timestamp with time zone' -%}
    {%- set version = env_var('TLC_MODELS_VERSION', '') -%}
    create table if not exists {{ table }} (
      model {{ text_type() }}, dataset {{ text_type() }}, source_month date, loaded_at {{ time }},
      version {{ text_type() }}, built_at {{ time }}
    );
    {{ 'begin transaction;' if target.type != 'postgres' }}
    delete from {{ table }} where model in ({{ built | join(', ') }}) and {{ in_months() }};
    {% if loads -%}
    insert into {{ table }} (model, dataset, source_month, loaded_at, version, built_at) values
    {% for model in built %}{% set first = loop.first %}{% for dataset, day, loaded_at in loads -%}
      {{ ', ' if not (first and loop.first) }}({{ model }}, '{{ dataset }}', date '{{ day }}',
      {{ time }} '{{ loaded_at }}', '{{ version }}', current_timestamp)
    {%- endfor %}{% endfor %};
    {%- endif %}
    {{ 'commit transaction;' if target.type != 'postgres' }}
  {%- endif -%}
{% endmacro %}
