"""The routes of the surfaces beyond the product's own."""

from capliquify_ops.reference.service import (
    api_keys,
    comments,
    events,
    exports,
    invitations,
    jobs,
    notes,
    recalculation,
    summaries,
    support,
)
from capliquify_ops.reference.service.gate import Endpoint

Routes = tuple[tuple[str, dict[str, Endpoint]], ...]

SURFACE_ROUTES: Routes = (
    ("/api/products/{id}/comments", {"GET": comments.list_of_product, "POST": comments.create_of_product}),
    ("/api/products/{id}/summary", {"GET": summaries.product_summary}),
    ("/api/comments", {"GET": comments.list_comments, "POST": comments.create_comment}),
    ("/api/jobs", {"POST": jobs.create_job}),
    ("/api/jobs/{id}", {"GET": jobs.job_state}),
    ("/api/exports", {"POST": exports.create_export}),
    ("/api/exports/{id}", {"GET": exports.export_state}),
    ("/api/exports/{id}/file", {"GET": exports.export_file}),
    ("/api/events", {"GET": events.stream_events}),
    ("/api/api-keys", {"GET": api_keys.list_keys, "POST": api_keys.create_key}),
    ("/api/api-keys/{id}", {"DELETE": api_keys.revoke_key}),
    ("/api/invitations", {"GET": invitations.list_invitations, "POST": invitations.create_invitation}),
    ("/api/invitations/accept", {"POST": invitations.accept_invitation}),
    ("/api/invitations/{id}", {"DELETE": invitations.revoke_invitation}),
    ("/api/recalculations", {"POST": recalculation.recalculate}),
)
SERIAL_ROUTES: Routes = (
    ("/api/notes", {"GET": notes.list_notes, "POST": notes.create_note}),
    ("/api/notes/{id}", {"GET": notes.get_note, "PATCH": notes.change_note, "DELETE": notes.delete_note}),
    ("/api/notes/{id}/summary", {"GET": notes.note_summary}),
)
"""Where the settings say `serials`."""
SUPPORT_ROUTES: Routes = (
    ("/api/links/{link}", {"GET": support.linked_file}),
    ("/api/admin/announcements", {"POST": support.announce}),
)
"""Where SUPPORT_AND_BROADCAST is on."""


def further_routes(*, serials: bool, support_and_broadcast: bool) -> Routes:
    """The routes that settings and switches add."""
    return SURFACE_ROUTES + (SERIAL_ROUTES if serials else ()) + (SUPPORT_ROUTES if support_and_broadcast else ())
