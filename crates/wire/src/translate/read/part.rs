//! Pieces of content in OpenAI's forms, of Chat and of Responses, and where pictures and documents are.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::fields::{Fields, Result, Wrong, not, shown};
use crate::translate::prompt::Source;
use crate::translate::{Part, Role};

/// Reads `content` of Chat or Responses: a text or a list of pieces.
pub fn read_content(value: &Value, role: Role) -> Result<Vec<Part>> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| read_part(value, role).map_err(|wrong| wrong.nth(index)))
            .collect(),
        other => Err(not("a string or a list", other)),
    }
}

/// Reads one piece of content.
pub fn read_part(value: &Value, role: Role) -> Result<Part> {
    if let Value::String(text) = value {
        return Ok(Part::text(text));
    }
    let fields = Fields::of(value)?;
    match fields.kind()? {
        "text" | "input_text" | "output_text" => text(fields),
        "" if fields.get("text").is_some() => text(fields),
        "refusal" => {
            let words = fields.needed("refusal")?;
            Ok(if role == Role::Assistant { Part::Refusal(words.to_owned()) } else { Part::text(words) })
        }
        "image_url" | "input_image" => image(fields),
        "file" | "input_file" => file(fields.fields("file")?.unwrap_or(fields)),
        "input_audio" => {
            let sound = fields.fields("input_audio")?.unwrap_or(fields);
            Ok(Part::Audio { format: sound.needed("format")?.to_owned(), data: sound.needed("data")?.to_owned() })
        }
        other => Err(cannot_carry(other)),
    }
}

/// A kind of content that no other API has a place for.
pub fn cannot_carry(kind: &str) -> Wrong {
    let what = if kind.is_empty() { "is missing".to_owned() } else { format!("is {}", shown(kind)) };
    Wrong::new(format!(
        "{what}: only text, images, files and audio can be handed to this model, which speaks another API"
    ))
    .at("type")
}

fn text(fields: Fields<'_>) -> Result<Part> {
    Ok(Part::Text { text: fields.needed("text")?.to_owned(), cache: fields.cloned("cache_control") })
}

/// Reads a picture.
pub fn image(fields: Fields<'_>) -> Result<Part> {
    let detail = fields.owned("detail")?;
    match fields.get("image_url") {
        Some(Value::String(url)) => Ok(Part::Image { source: source(url), detail }),
        Some(value) => {
            let inner = Fields::of(value).map_err(|wrong| wrong.at("image_url"))?;
            let url = inner.needed("url").map_err(|wrong| wrong.at("image_url"))?;
            let inner_detail = inner.owned("detail").map_err(|wrong| wrong.at("image_url"))?;
            Ok(Part::Image { source: source(url), detail: inner_detail.or(detail) })
        }
        None => match fields.owned("file_id")? {
            Some(id) => Ok(Part::Image { source: Source::Id(id), detail }),
            None => Err(Wrong::missing("image_url")),
        },
    }
}

fn file(fields: Fields<'_>) -> Result<Part> {
    let name = fields.owned("filename")?;
    let source = if let Some(data) = fields.text("file_data")? {
        match source(data) {
            // Chat takes bare base64 too, and then only the name tells what it is.
            Source::Url(data) => Source::Data { media_type: media_type_of(name.as_deref()).to_owned(), data },
            other => other,
        }
    } else if let Some(url) = fields.text("file_url")? {
        source(url)
    } else if let Some(id) = fields.owned("file_id")? {
        Source::Id(id)
    } else {
        return Err(Wrong::missing("file_data"));
    };
    Ok(Part::File { source, name })
}

/// Where a picture or document is that OpenAI's APIs name by a URL: within a `data:` URL, or there. Base64 stays as it
/// came.
pub fn source(url: &str) -> Source {
    let Some(rest) = url.get(..5).filter(|start| start.eq_ignore_ascii_case("data:")).and_then(|_| url.get(5..)) else {
        return Source::Url(url.to_owned());
    };
    let Some((head, data)) = rest.split_once(',') else { return Source::Url(url.to_owned()) };
    let mut parameters = head.split(';');
    let named = parameters.next().unwrap_or_default().trim();
    let base64 = parameters.any(|parameter| parameter.trim().eq_ignore_ascii_case("base64"));
    let data = if base64 { data.to_owned() } else { BASE64_STANDARD.encode(percent_decoded(data)) };
    let media_type = match named {
        "" if base64 => sniffed(&data),
        "" => "text/plain",
        named => named,
    };
    Source::Data { media_type: media_type.to_ascii_lowercase(), data }
}

/// What base64 holds, by its first characters.
fn sniffed(data: &str) -> &'static str {
    const STARTS: [(&str, &str); 5] = [
        ("iVBOR", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    STARTS
        .iter()
        .find(|(start, _)| data.starts_with(start))
        .map_or("application/octet-stream", |(_, media_type)| media_type)
}

fn media_type_of(name: Option<&str>) -> &'static str {
    let extension = name.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        let hex = bytes.as_slice().get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_become_base64_with_their_media_type() {
        let data = |url: &str| match source(url) {
            Source::Data { media_type, data } => (media_type, data),
            other => panic!("{other:?}"),
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(data("data:image/PNG;base64,iVBORw0K+/="), pair("image/png", "iVBORw0K+/="));
        assert_eq!(data("DATA:image/jpeg;name=a.jpg;base64,/9j/"), pair("image/jpeg", "/9j/"));
        assert_eq!(data("data:;base64,R0lGODlh"), pair("image/gif", "R0lGODlh"));
        assert_eq!(data("data:,a%20b%zz"), pair("text/plain", &BASE64_STANDARD.encode("a b%zz")));
        assert_eq!(source("https://x/a.png"), Source::Url("https://x/a.png".into()));
        assert_eq!(source("dätä:"), Source::Url("dätä:".into()));
    }
}
