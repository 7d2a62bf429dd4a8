//! The calls of a conversation: their ids, made up where a client has none, and which result belongs to which.

use crate::translate::Opaque;

/// The calls that were read so far.
#[derive(Debug, Default)]
pub struct Calls {
    made: Vec<Made>,
}

#[derive(Debug)]
struct Made {
    id: String,
    name: String,
    custom: bool,
    answered: bool,
}

impl Calls {
    /// A call by its id as the client has it. Gives the id that its result names, without what it carried.
    pub fn made(&mut self, id: Option<&str>, name: &str, custom: bool) -> (String, Option<Opaque>) {
        let (id, opaque) = id.map(Opaque::split_id).unwrap_or_default();
        // By its place, so that the same conversation has the same ids each time that it is sent: prompt caches count on it.
        let id = if id.is_empty() { format!("call_{}", self.made.len()) } else { id.to_owned() };
        self.made.push(Made { id: id.clone(), name: name.to_owned(), custom, answered: false });
        (id, opaque)
    }

    /// The call that a result belongs to, and whether it is of a free-form tool: the one of this id; where the client
    /// names none, the first without a result.
    pub fn answered(&mut self, id: Option<&str>) -> Option<(String, bool)> {
        let id = id.map(|id| Opaque::split_id(id).0).filter(|id| !id.is_empty());
        let found = match id {
            Some(id) => self.made.iter_mut().rev().find(|made| made.id == id),
            None => self.made.iter_mut().find(|made| !made.answered),
        };
        match (found, id) {
            (Some(made), _) => {
                made.answered = true;
                Some((made.id.clone(), made.custom))
            }
            // Of a call that stands in an earlier response.
            (None, Some(id)) => Some((id.to_owned(), false)),
            (None, None) => None,
        }
    }

    /// The first call of a function without a result: Chat's older form names the function, not the call.
    pub fn answered_by_name(&mut self, name: &str) -> Option<String> {
        let made = self.made.iter_mut().find(|made| made.name == name && !made.answered)?;
        made.answered = true;
        Some(made.id.clone())
    }
}
