//! Where a provider runs, guessed from its address where the settings do not say.

pub(crate) use pilotlight_config::whereabouts::guess;
