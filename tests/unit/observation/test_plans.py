"""Plans: which statements are given to EXPLAIN, and what of its answer is shown."""

import pytest

from capliquify_ops.observation.plans import plan_of, why_not_planned

SECRET = "4111-1111"


@pytest.mark.parametrize(
    ("text", "is_planned"),
    [
        ("SELECT 1", True),
        ("  -- why\n SELECT 'DELETE FROM t' AS a;", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ('/* c */ SELECT "into" FROM t WHERE a = $1', True),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", False),
        ("WITH d AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM d", False),
        ("SELECT * INTO u FROM t", False),
        ("INSERT INTO t VALUES (1)", False),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", False),
        ("SELECT 1; DROP TABLE t", False),
        ("SELECT 1; SELECT 2", False),
        ("DROP TABLE t", False),
        ("EXPLAIN ANALYZE DELETE FROM t", False),
        ("COPY t TO PROGRAM 'x'", False),
        ("", False),
    ],
)
def test_only_one_statement_that_reads_is_planned(text, is_planned):
    """What changes, what is several, and what is no query at all is not given to the server."""
    assert (why_not_planned(text) is None) is is_planned


def test_values_are_folded_away():
    """Kinds of steps, tables, rows and folded conditions; of several runs the rows of all."""
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "products", "Plan Rows": 7, "Actual Rows": 2, "Actual Loops": 3,
        "Filter": f"((sku)::text = '{SECRET}'::text)", "Rows Removed by Filter": 1000,
    }  # fmt: skip
    joined = {"Node Type": "Nested Loop", "Plan Rows": 1, "Actual Rows": 6, "Join Filter": "(t_a.f(x) > 5)", "Plans": [scan]}
    plan = plan_of({"Plan": joined, "Execution Time": 12.5}, "t_a")
    assert plan.told() == (
        "Nested Loop: about 1 rows, 6 in fact; Join Filter: (~.f(x) > ?)",
        "  Seq Scan on products: about 7 rows, 6 in fact, 3,000 read and dropped; Filter: ((sku)::text = ?::text)",
    )
    assert plan.ran_ms == 12.5
    assert [step.reads_all for step in plan.steps] == [False, True]
    many = {"Plan": {"Node Type": "Append", "Plan Rows": 1, "Plans": [scan] * 20}}
    assert plan_of(many, "").told()[-1] == "and 9 more steps"
