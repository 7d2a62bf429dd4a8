//! The composition: owns the actors, reduces their events to one [`state::AppState`], offers the commands.
pub mod state;
