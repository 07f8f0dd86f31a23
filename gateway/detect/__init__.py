"""What kind of personal data a value, or the name of a field, looks like. Pure; nothing here is proof."""
