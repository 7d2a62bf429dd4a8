//! Keeps an answer to what its request asked for and its upstream could not be told: it ends before a stop sequence, and
//! calls one tool at most.
//!
//! Must not know: any API, on either side.

use super::{Asked, Block, Event, Finish};

/// What an answer's events pass through. Without anything to keep to they pass untouched.
#[derive(Debug)]
pub(super) struct Keep {
    stops: Vec<String>,
    one_call: bool,
    /// Words that may be the beginning of a stop sequence, and so are not told yet.
    held: String,
    in_text: bool,
    called: bool,
    /// Whether the block that is open is left out.
    skipping: bool,
    stopped: bool,
}

impl Keep {
    pub(super) fn new(asked: &Asked) -> Self {
        let stops = asked.stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        let (held, one_call) = (String::new(), asked.one_call);
        Self { stops, one_call, held, in_text: false, called: false, skipping: false, stopped: false }
    }

    /// What is left of these events.
    pub(super) fn pass(&mut self, events: Vec<Event>) -> Vec<Event> {
        if self.stops.is_empty() && !self.one_call {
            return events;
        }
        let mut out = Vec::with_capacity(events.len());
        for event in events {
            self.take(event, &mut out);
        }
        out
    }

    fn take(&mut self, event: Event, out: &mut Vec<Event>) {
        if self.stopped {
            if matches!(event, Event::Usage(_) | Event::Dropped(_)) {
                out.push(event);
            }
            return;
        }
        match event {
            Event::Begin(Block::ToolCall { .. }) if self.one_call && self.called => self.skipping = true,
            Event::End { .. } if self.skipping => self.skipping = false,
            Event::Delta(_) if self.skipping => {}
            Event::Delta(text) if self.in_text => self.words(&text, out),
            Event::Begin(block) => {
                self.called |= matches!(block, Block::ToolCall { .. });
                self.in_text = block == Block::Text && !self.stops.is_empty();
                out.push(Event::Begin(block));
            }
            Event::End { .. } | Event::Finish(_) | Event::Failed(_) => {
                self.release(out);
                self.in_text = false;
                out.push(event);
            }
            other => out.push(other),
        }
    }

    fn words(&mut self, text: &str, out: &mut Vec<Event>) {
        self.held.push_str(text);
        let met = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str()).map(|at| (at, stop.clone()))).min();
        if let Some((at, stop)) = met {
            self.held.truncate(at);
            self.release(out);
            out.push(Event::End { opaque: None });
            out.push(Event::Finish(Finish::StopSequence(Some(stop))));
            self.stopped = true;
            return;
        }
        let open = self.stops.iter().map(|stop| begun(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - open);
        self.release(out);
        self.held = rest;
    }

    fn release(&mut self, out: &mut Vec<Event>) {
        if !self.held.is_empty() {
            out.push(Event::Delta(std::mem::take(&mut self.held)));
        }
    }
}

/// How many bytes at the end of `text` are a beginning of `stop`.
fn begun(text: &str, stop: &str) -> usize {
    let beginnings = stop.char_indices().skip(1).map(|(at, _)| at);
    beginnings.filter(|at| stop.get(..*at).is_some_and(|start| text.ends_with(start))).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UpstreamApi;
    use crate::Usage;

    fn keep(stops: &[&str], one_call: bool) -> Keep {
        let mut asked = Asked::new(UpstreamApi::OpenaiResponses, "p", "m");
        asked.stops = stops.iter().map(|stop| (*stop).to_owned()).collect();
        asked.one_call = one_call;
        Keep::new(&asked)
    }

    fn text(pieces: &[&str]) -> Vec<Event> {
        let mut events = vec![Event::Begin(Block::Text)];
        events.extend(pieces.iter().map(|piece| Event::Delta((*piece).to_owned())));
        events.extend([Event::End { opaque: None }, Event::Finish(Finish::Stop), Event::Usage(Usage::default())]);
        events
    }

    /// The words, and why it ended.
    fn told(events: &[Event]) -> (String, Vec<Finish>) {
        let words =
            events.iter().filter_map(|event| if let Event::Delta(text) = event { Some(text.as_str()) } else { None });
        let ends =
            events.iter().filter_map(|event| if let Event::Finish(end) = event { Some(end.clone()) } else { None });
        (words.collect(), ends.collect())
    }

    #[test]
    fn it_ends_before_a_stop_sequence_however_that_is_cut() {
        let whole = "one 日本 two END three";
        let stop = Finish::StopSequence(Some("本 two E".to_owned()));
        for at in (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            let (first, second) = whole.split_at(at);
            let mut keep = keep(&["never", "本 two E"], false);
            let mut events = Vec::new();
            for event in text(&[first, second]) {
                events.extend(keep.pass(vec![event]));
            }
            assert_eq!(told(&events), ("one 日".to_owned(), vec![stop.clone()]), "cut at {at}");
            assert!(matches!(events.last(), Some(Event::Usage(_))), "what was counted is told still");
        }
    }

    #[test]
    fn a_beginning_that_goes_on_otherwise_is_told_and_no_word_is_lost_at_the_end() {
        let events = keep(&["STOP"], false).pass(text(&["a S", "TO", "x ST"]));
        assert_eq!(told(&events), ("a STOx ST".to_owned(), vec![Finish::Stop]));
        let mut keep = keep(&["STOP"], false);
        let mut events = keep.pass(vec![Event::Begin(Block::Text), Event::Delta("a ST".to_owned())]);
        assert_eq!(told(&events).0, "a ", "what may be a stop sequence waits");
        events.extend(keep.pass(vec![Event::Failed(crate::failure::Failure::new("cut"))]));
        assert_eq!(told(&events).0, "a ST");
    }

    #[test]
    fn thoughts_and_arguments_are_not_searched() {
        let call = Block::ToolCall { id: "1".into(), name: "f".into(), custom: false };
        for block in [Block::Reasoning, Block::Summary, call] {
            let events = vec![Event::Begin(block), Event::Delta("STOP".into()), Event::End { opaque: None }];
            assert_eq!(keep(&["STOP"], true).pass(events.clone()), events);
        }
    }

    #[test]
    fn of_several_calls_the_first_is_kept() {
        let call = |id: &str| {
            [
                Event::Begin(Block::ToolCall { id: id.into(), name: "f".into(), custom: false }),
                Event::Delta("{}".into()),
                Event::End { opaque: None },
            ]
        };
        let all = [&call("1")[..], &call("2"), &[Event::Finish(Finish::ToolCalls)]].concat();
        assert_eq!(keep(&[], false).pass(all.clone()), all);
        let kept = [&call("1")[..], &[Event::Finish(Finish::ToolCalls)]].concat();
        assert_eq!(keep(&[], true).pass(all), kept);
    }
}
