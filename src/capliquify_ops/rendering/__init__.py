"""From model values to bytes that other programs and people read: JUnit, Markdown, a terminal table, SVG."""
