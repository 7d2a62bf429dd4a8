//! Replaces values within a JSON text and leaves every other byte as it was written.

use std::ops::Range;

use serde_json::value::RawValue;

/// Where `part`, which was borrowed from `text`, stands in it.
pub fn span(text: &str, part: &RawValue) -> Option<Range<usize>> {
    let start = (part.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let end = start.checked_add(part.get().len())?;
    (text.get(start..end)? == part.get()).then_some(start..end)
}

/// The text with each span replaced. Spans are in rising order and do not overlap.
pub fn replace(text: &str, parts: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len() + parts.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut from = 0;
    for (range, new) in parts {
        out.push_str(text.get(from..range.start).unwrap_or_default());
        out.push_str(new);
        from = range.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
