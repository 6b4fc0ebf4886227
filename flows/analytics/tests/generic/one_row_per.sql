{# No two rows have the same values in these columns; null is a value. #}
{% test one_row_per(model, columns) %}
select {{ columns | join(', ') }}, count(*) as found
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
