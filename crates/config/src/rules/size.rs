//! What a model's name says of its size and quantisation.

/// Bits a weight, from a quantisation or a name that holds one: `Q3_K_M`, `iq2_xs`, `4bit`, `1.58-bit`.
pub(super) fn bits(text: &str) -> Option<f64> {
    let text = text.to_ascii_lowercase();
    let tokens = tokens(&text);
    tokens.iter().enumerate().find_map(|(at, token)| {
        let digit =
            ["iq", "tq", "q", "int"].iter().find_map(|kind| token.strip_prefix(kind)).filter(|rest| rest.len() == 1);
        if let Some(bits) = digit.and_then(|rest| rest.parse().ok()) {
            return Some(bits);
        }
        let apart = tokens.get(at + 1).is_some_and(|next| *next == "bit" || *next == "bits");
        let number = token.strip_suffix("bits").or_else(|| token.strip_suffix("bit"));
        number
            .or(apart.then_some(token))
            .and_then(|number| number.parse().ok())
            .filter(|bits| (1.0..=64.0).contains(bits))
    })
}

/// Billions of parameters, from a name that holds a size: `8b`, `0.6B`, `8x7b`, `270m`, `e4b`. Of several the largest,
/// since the others are the active ones (`30b-a3b`).
pub(super) fn billions(text: &str) -> Option<f64> {
    let text = text.to_ascii_lowercase();
    let sizes = tokens(&text).into_iter().filter_map(|token| {
        let (number, scale) = match token.strip_suffix('b') {
            Some(number) => (number, 1.0),
            None => (token.strip_suffix('m')?, 0.001),
        };
        let number = number.strip_prefix('e').unwrap_or(number);
        let (times, number) = number.split_once('x').unwrap_or(("1", number));
        let plain =
            |text: &str| text.starts_with(|c: char| c.is_ascii_digit()).then(|| text.parse::<f64>().ok()).flatten();
        let size = plain(times)? * plain(number)?;
        // A small number of millions is a context, as in `-1m`.
        (scale == 1.0 || size >= 50.0).then_some(size * scale)
    });
    sizes.fold(None, |most: Option<f64>, size| Some(most.map_or(size, |most| most.max(size))))
}

/// The words and numbers of a name; a point belongs to a number.
fn tokens(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|token| !token.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_size() {
        for (name, size) in [
            ("llama-3.1-8b-instruct", Some(8.0)),
            ("qwen3-30b-a3b", Some(30.0)),
            ("mixtral-8x7b-instruct-v0.1", Some(56.0)),
            ("google/gemma-3n-e4b", Some(4.0)),
            ("smollm2-360m-instruct", Some(0.36)),
            ("llama3.2:3b", Some(3.0)),
            ("qwen2.5-7b-instruct-1m", Some(7.0)),
            ("gpt-oss-20b", Some(20.0)),
            ("minimax-m2.1-gs32", None),
            ("phi-4-mini", None),
            ("model-4bit-bf16", None),
        ] {
            let found = billions(name);
            assert!(found == size || found.zip(size).is_some_and(|(a, b)| (a - b).abs() < 1e-9), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_name_says_its_quantisation() {
        for (name, expected) in [
            ("qwen3-30b@q3_k_l", Some(3.0)),
            ("x-iq2_xs.gguf", Some(2.0)),
            ("x-UD-IQ1_S", Some(1.0)),
            ("x-3bit", Some(3.0)),
            ("x-3-bit-mlx", Some(3.0)),
            ("b1.58-1.58bit", Some(1.58)),
            ("q8_0", Some(8.0)),
            ("Q4_K_M", Some(4.0)),
            ("qwq-32b", None),
            ("minimax-m2.1-gs32", None),
            ("model-bf16", None),
        ] {
            assert_eq!(bits(name), expected, "{name}");
        }
    }
}
