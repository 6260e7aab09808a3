-- SECDEF_UNPINNED: a function that runs with its owner's rights looks names up where its caller says.
ALTER FUNCTION public.resolve_tenant(text, text) RESET search_path;
