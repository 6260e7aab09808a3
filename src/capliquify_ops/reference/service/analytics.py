"""Reads over several tables of the tenant, and forecasts from its sales."""

from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service import resources
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import Rule, Rules, check_fields
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.reads import found, page_route, row_route

_DEFAULT_MONTHS = 3
_DASHBOARD: LiteralString = """
SELECT json_build_object(
  'companies', (SELECT count(*) FROM companies),
  'products', (SELECT count(*) FROM products),
  'sales', (SELECT count(*) FROM sales),
  'sales_total', (SELECT coalesce(sum(total_amount), 0) FROM sales),
  'inventory', (SELECT count(*) FROM inventory),
  'quantity_available', (SELECT coalesce(sum(quantity_available), 0) FROM inventory),
  'forecasts', (SELECT count(*) FROM forecasts),
  'scenarios', (SELECT count(*) FROM scenarios),
  'working_capital', (SELECT working_capital FROM working_capital_metrics ORDER BY measured_on DESC, id LIMIT 1)
)::text
"""

_ADVANCED_REPORT: LiteralString = """
SELECT json_build_object(
  'months', (SELECT coalesce(json_agg(row_to_json(m)), '[]') FROM (
     SELECT date_trunc('month', sold_on)::date AS month, count(*) AS sales, sum(total_amount) AS total
     FROM sales GROUP BY 1 ORDER BY 1 DESC LIMIT 24) AS m),
  'categories', (SELECT coalesce(json_agg(row_to_json(c)), '[]') FROM (
     SELECT p.category, count(*) AS sales, sum(s.total_amount) AS total, sum(s.total_amount - s.quantity * p.unit_cost) AS margin
     FROM sales AS s JOIN products AS p ON p.id = s.product_id GROUP BY p.category ORDER BY total DESC, p.category LIMIT 50) AS c)
)::text
"""

_AI_FORECASTS: LiteralString = """
SELECT coalesce(json_agg(row_to_json(page)), '[]')::text FROM (
  SELECT id, product_id, period, quantity, lower_bound, upper_bound, method, created_at FROM forecasts WHERE method = 'ai'
  ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS page
"""

_AI_RULES: Rules = {
    "product_id": Rule("uuid", is_required=True),
    "months": Rule("integer", least=1, most=24),
}

_AI_FORECAST: LiteralString = """
WITH history AS (
  SELECT p.company_id, p.id AS product_id,
    coalesce(sum(s.quantity), 0) / 3 AS a_month, coalesce(stddev_samp(s.quantity), 0) AS spread
  FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id AND s.sold_on >= current_date - interval '3 months'
  WHERE p.id = %(product_id)s::uuid GROUP BY p.company_id, p.id
), made AS (
  INSERT INTO forecasts (company_id, product_id, period, quantity, lower_bound, upper_bound, method)
  SELECT h.company_id, h.product_id, (date_trunc('month', now()) + n * interval '1 month')::date,
    h.a_month, greatest(h.a_month - h.spread, 0), h.a_month + h.spread, 'ai'
  FROM history AS h, generate_series(1, %(months)s) AS n RETURNING *
)
SELECT json_agg(json_build_object('id', id, 'product_id', product_id, 'period', period, 'quantity', quantity,
  'lower_bound', lower_bound, 'upper_bound', upper_bound, 'method', method) ORDER BY period)::text FROM made
"""


dashboard = row_route(Need("viewer"), _DASHBOARD)
"""Counts and totals of the tenant's own rows."""
working_capital = page_route(Need("viewer"), resources.list_query(resources.WORKING_CAPITAL))
advanced_report = row_route(Need("viewer", feature="advanced_reports"), _ADVANCED_REPORT)
"""Sales by month and by category."""
list_ai_forecasts = page_route(Need("viewer", feature="ai_forecasting"), _AI_FORECASTS)
"""The forecasts that `make_ai_forecast` made."""


@tenant_route(Need("member", writes=True, feature="ai_forecasting"))
async def make_ai_forecast(visit: Visit) -> Response:
    """Forecasts the coming months of one product from its last three months of sales."""
    fields = {"months": _DEFAULT_MONTHS} | check_fields(visit.document(), _AI_RULES)
    return found(await visit.finish(_AI_FORECAST, fields), 201)
