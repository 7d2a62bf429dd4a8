//! Keys in the texts of a history. Once a key was moved out of the configuration, a mark stands for it in every text that
//! is kept, so that the history is no place where it can still be read; it is put back when a revision is gone back to,
//! from where it lives then. No I/O.

use pilotlight_wire::Secret;

const OPEN: &str = "‹pilotlight-key:";
const CLOSE: char = '›';

/// Shorter than this, a key may be a word that stands in a text for other reasons.
const SHORTEST: usize = 8;

/// What gives a provider's key: every key that it may be, the likeliest first.
pub(crate) type Keys<'a> = dyn Fn(&str) -> Vec<Secret> + 'a;

/// A text with a mark wherever the key stands; none where it stands nowhere.
pub(crate) fn marked(text: &str, provider: &str, key: &Secret) -> Option<String> {
    let key = key.expose();
    let named = !provider.is_empty() && !provider.contains(CLOSE);
    (named && key.len() >= SHORTEST && text.contains(key))
        .then(|| text.replace(key, &format!("{OPEN}{provider}{CLOSE}")))
}

/// Whether marks stand in a text.
pub(crate) fn has_marks(text: &str) -> bool {
    next(text).is_some()
}

/// A text with the keys that its marks stand for. `is_whole` tells whether it is what it was, by which the right key is
/// known among several; where none is (the key was replaced since), the likeliest is taken.
///
/// # Errors
/// The provider whose key nobody has any more.
pub(crate) fn revealed(text: &str, keys: &Keys<'_>, is_whole: &dyn Fn(&str) -> bool) -> Result<String, String> {
    let Some((mark, provider)) = next(text) else { return Ok(text.to_owned()) };
    let mut likeliest = None;
    for key in keys(provider) {
        let with = revealed(&text.replace(mark, key.expose()), keys, is_whole)?;
        if is_whole(&with) {
            return Ok(with);
        }
        likeliest.get_or_insert(with);
    }
    likeliest.ok_or_else(|| provider.to_owned())
}

/// The first mark, and the provider that it names.
fn next(text: &str) -> Option<(&str, &str)> {
    let start = text.find(OPEN)?;
    let rest = &text[start + OPEN.len()..];
    let provider = &rest[..rest.find(CLOSE)?];
    let end = start + OPEN.len() + provider.len() + CLOSE.len_utf8();
    Some((&text[start..end], provider))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_and_comes_back_to_the_byte() {
        let text = "{ a: { apiKey: 'sk-old-12345678' }, b: { apiKey: \"sk-b-87654321\" } } // sk-old-12345678";
        let once = marked(text, "a", &Secret::new("sk-old-12345678")).unwrap();
        let both = marked(&once, "b", &Secret::new("sk-b-87654321")).unwrap();
        assert!(!both.contains("12345678") && !both.contains("87654321"), "{both}");
        // The new key of `a` is likelier, and yet the text was with the old one.
        let keys = |provider: &str| match provider {
            "a" => vec![Secret::new("sk-new"), Secret::new("sk-old-12345678")],
            "b" => vec![Secret::new("sk-b-87654321")],
            _ => Vec::new(),
        };
        assert_eq!(revealed(&both, &keys, &|with| with == text).unwrap(), text);
        // Where neither is it, the text gets the one in use.
        let later = revealed(&both, &keys, &|_| false).unwrap();
        assert_eq!(later, text.replace("sk-old-12345678", "sk-new"));
        assert_eq!(revealed(&both, &|_| Vec::new(), &|_| false), Err("a".to_owned()));
    }

    #[test]
    fn what_is_too_short_to_be_a_key_stays() {
        assert_eq!(marked("{ id: 'local' }", "a", &Secret::new("local")), None);
        assert_eq!(marked("{}", "a", &Secret::new("sk-old-12345678")), None);
    }
}
