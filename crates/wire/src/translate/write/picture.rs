//! Pictures and documents: data URLs, media types.

use crate::translate::prompt::Source;

/// A `data:` URL.
pub(super) fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// The URL that OpenAI's APIs take; none for an uploaded file.
pub(super) fn url(source: &Source) -> Option<String> {
    match source {
        Source::Data { media_type, data } => Some(data_url(media_type, data)),
        Source::Url(url) => Some(url.clone()),
        Source::Text(_) | Source::Id(_) => None,
    }
}

/// The media type that the end of a URL's path tells; `other` where it tells none.
pub(super) fn media_type(url: &str, other: &'static str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    match path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        _ => other,
    }
}
