//! The tray's picture: which of the drawn icons stands for a state, on which panel.
//!
//! Must not know: Tauri, the engine. Pure tables; `panel` finds out what the panel looks like.

use pilotlight_engine::state::Light;

/// What the panel looks like that holds the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Panel {
    /// Light, so the strokes are dark.
    Light,
    /// Dark, so the strokes are light.
    Dark,
}

/// The program's own picture, for notifications.
pub(crate) const OWN: &[u8] = include_bytes!("../../icons/128x128.png");

/// The PNG (44 × 44 pixels) for a state on a panel. The shape alone tells the state; the colour repeats it.
#[must_use]
pub fn png(light: Light, panel: Panel) -> &'static [u8] {
    macro_rules! drawn {
        ($name:literal) => {
            match panel {
                Panel::Light => include_bytes!(concat!("../../icons/tray/", $name, "-on-light.png")).as_slice(),
                Panel::Dark => include_bytes!(concat!("../../icons/tray/", $name, "-on-dark.png")).as_slice(),
            }
        };
    }
    match light {
        Light::Warm => drawn!("warm"),
        Light::Loading => drawn!("loading"),
        Light::Hosted => drawn!("hosted"),
        Light::Trouble => drawn!("trouble"),
        Light::Stopped => drawn!("stopped"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tauri::image::Image;

    const LIGHTS: [Light; 5] = [Light::Warm, Light::Loading, Light::Hosted, Light::Trouble, Light::Stopped];

    #[test]
    fn every_icon_is_44_pixels_square_and_has_something_on_it() {
        for light in LIGHTS {
            for panel in [Panel::Light, Panel::Dark] {
                let image = Image::from_bytes(png(light, panel)).unwrap();
                assert_eq!((image.width(), image.height()), (44, 44), "{light:?} on {panel:?}");
                let drawn = image.rgba().chunks(4).filter(|pixel| pixel[3] > 128).count();
                assert!((40..44 * 44).contains(&drawn), "{light:?} on {panel:?}: {drawn} pixels are drawn");
            }
        }
    }

    /// A macOS template and a colour-blind eye see the alpha channel alone.
    #[test]
    fn every_state_has_a_shape_of_its_own() {
        for panel in [Panel::Light, Panel::Dark] {
            let mut seen = HashMap::new();
            for light in LIGHTS {
                let alpha: Vec<bool> = Image::from_bytes(png(light, panel))
                    .unwrap()
                    .rgba()
                    .chunks(4)
                    .map(|pixel| pixel[3] > 128)
                    .collect();
                if let Some(other) = seen.insert(alpha, light) {
                    panic!("{light:?} and {other:?} have one shape on {panel:?}");
                }
            }
        }
    }
}
