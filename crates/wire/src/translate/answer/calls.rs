//! Calls of tools in fragments, as servers of the Chat API tell them, put together by what they have in common.
//!
//! OpenAI gives each call its own `index`, and its id and name once. Others repeat id and name with every fragment, leave
//! one or the other out, give every call the index 0, or every fragment an id of its own.

use super::blocks::Blocks;
use super::made_id;
use crate::translate::Opaque;

/// A piece of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragment {
    /// `index`.
    pub(super) index: Option<u64>,
    /// `id`; never empty.
    pub(super) id: Option<String>,
    /// The tool's name; never empty.
    pub(super) name: Option<String>,
    /// What it adds to the arguments.
    pub(super) arguments: String,
    /// Whether the tool is free-form.
    pub(super) custom: bool,
    /// What proves the thought behind the call.
    pub(super) opaque: Option<Opaque>,
}

/// The calls of one answer. Each is a block under its place in the list.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    /// As the upstream told it.
    id: Option<String>,
    name: Option<String>,
    custom: bool,
    /// All that has come.
    arguments: String,
    json: Json,
    opaque: Option<Opaque>,
    /// Whether the event that is being read had a part in it.
    touched: bool,
}

/// What a fragment is of.
enum Belongs {
    /// To a call that came before.
    To(usize),
    /// To none: another call begins.
    New,
    /// It says again what was said.
    Repeats,
}

impl Calls {
    /// Another event of the stream begins.
    pub(super) fn next_event(&mut self) {
        self.calls.iter_mut().for_each(|call| call.touched = false);
    }

    /// Takes a fragment. `seed` is for [`made_id`].
    pub(super) fn fragment(&mut self, fragment: Fragment, blocks: &mut Blocks<usize>, seed: &[u8]) {
        let place = match self.place(&fragment) {
            Belongs::Repeats => return,
            Belongs::To(place) => place,
            Belongs::New => {
                self.end_complete(blocks);
                self.calls.push(Call {
                    index: fragment.index,
                    id: None,
                    name: None,
                    custom: fragment.custom,
                    arguments: String::new(),
                    json: Json::default(),
                    opaque: None,
                    touched: false,
                });
                self.calls.len() - 1
            }
        };
        let ids: Vec<Option<String>> = self.calls.iter().map(|call| call.id.clone()).collect();
        let Some(call) = self.calls.get_mut(place) else { return };
        call.touched = true;
        call.id = call.id.take().or(fragment.id);
        call.opaque = fragment.opaque.or(call.opaque.take());
        call.json.read(&fragment.arguments);
        call.arguments.push_str(&fragment.arguments);
        match (&call.name, fragment.name) {
            (Some(_), _) => {
                blocks.tool_arguments(&place, &fragment.arguments);
            }
            // It begins when it is known what is called.
            (None, None) => {}
            (None, Some(name)) => {
                call.name = Some(name.clone());
                let id = match call.id.clone() {
                    // Some servers give the tool's name as the id of each of its calls.
                    Some(id) if ids.iter().take(place).any(|other| other.as_ref() == Some(&id)) => {
                        format!("{id}_{}", place + 1)
                    }
                    Some(id) => id,
                    None => made_id(seed, place),
                };
                blocks.tool_begin(place, id, name, call.custom);
                blocks.tool_arguments(&place, &call.arguments);
            }
        }
    }

    /// Nothing more comes: all of them end. What never had a name is nobody's call.
    pub(super) fn end(&mut self, blocks: &mut Blocks<usize>) {
        for (place, call) in self.calls.drain(..).enumerate() {
            match call.name {
                Some(_) => {
                    blocks.tool_end(&place, call.opaque);
                }
                None => blocks.dropped("tool_calls"),
            }
        }
    }

    fn place(&self, fragment: &Fragment) -> Belongs {
        let by_id =
            fragment.id.as_ref().and_then(|id| self.calls.iter().rposition(|call| call.id.as_ref() == Some(id)));
        let by_index = match fragment.index {
            Some(index) => self.calls.iter().rposition(|call| call.index == Some(index)),
            None => self.calls.len().checked_sub(1),
        };
        let Some(place) = by_id.or(by_index) else { return Belongs::New };
        let Some(call) = self.calls.get(place) else { return Belongs::New };
        let name = fragment.name.as_ref();
        if by_id.is_some() && (fragment.index.is_none() || fragment.index == call.index) {
            return match name {
                Some(_) if !call.json.is_complete() => Belongs::To(place),
                None => Belongs::To(place),
                Some(_) if fragment.arguments.trim().is_empty() || fragment.arguments == call.arguments => {
                    Belongs::Repeats
                }
                Some(_) => Belongs::New,
            };
        }
        // A name begins a call, unless it is the name of the call under way, said again.
        match name {
            None => Belongs::To(place),
            Some(_) if by_id.is_none() && fragment.id.is_some() && call.id.is_some() => Belongs::New,
            Some(name) if call.name.as_ref().is_some_and(|own| own != name) || call.touched => Belongs::New,
            Some(_) if call.json.is_complete() && !fragment.arguments.trim().is_empty() => Belongs::New,
            Some(_) => Belongs::To(place),
        }
    }

    /// Ends the calls whose arguments are whole, so that the next one need not wait for the end of the answer.
    fn end_complete(&mut self, blocks: &mut Blocks<usize>) {
        for (place, call) in self.calls.iter_mut().enumerate() {
            if call.name.is_some() && !call.custom && call.json.is_complete() && blocks.is_open(&place) {
                blocks.tool_end(&place, call.opaque.take());
            }
        }
    }
}

/// Whether a JSON object has ended, told by its brackets.
#[derive(Debug, Default)]
struct Json {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Whether it holds anything: `{}` may be sent ahead of the arguments proper.
    filled: bool,
    closed: bool,
}

impl Json {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' => {
                    self.closed = false;
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.closed = self.depth == 0;
                }
                b'"' => {
                    self.in_string = true;
                    self.filled = true;
                }
                byte if !byte.is_ascii_whitespace() => self.filled = true,
                _ => {}
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.closed && self.filled
    }
}
