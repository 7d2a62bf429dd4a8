//! The measures. Each asks every contestant in turn, many times over, so that what else the machine does meets all of
//! them alike; what is told of one is set against the upstream asked directly in the same rounds.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{Answer, Connection};
use crate::contestant::{Contestant, Load};
use crate::mock::now;

/// How long and how often is measured.
pub struct Effort {
    /// Requests one at a time, to each.
    pub single: usize,
    /// The pause before each of them.
    pub think: Duration,
    /// Bursts, from each.
    pub bursts: usize,
    /// Rounds of requests at once, and of paced streams.
    pub rounds: usize,
    /// How long a round of requests at once is.
    pub round: Duration,
    /// Requests and paced streams at once.
    pub at_once: usize,
    /// Streams that are open at once.
    pub open: usize,
}

/// Microseconds, sorted when they are asked for.
#[derive(Clone, Default)]
pub struct Times(Vec<u64>);

impl Times {
    /// The value below which this part of all lies, in milliseconds. Not a number where there are none.
    pub fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
        sorted.get(place).map_or(f64::NAN, |time| *time as f64 / 1000.0)
    }
}

/// What was measured of one contestant.
#[derive(Clone, Default)]
pub struct Figures {
    /// Whole answers, one at a time.
    pub single: Times,
    /// Requests a second, each round.
    pub rates: Vec<f64>,
    /// Processor time for each of those requests, in microseconds, each round.
    pub processor: Vec<f64>,
    /// From a burst's first event to its last.
    pub bursts: Times,
    /// From the request to the first event, of paced streams.
    pub first: Times,
    /// Between two events of a paced stream.
    pub gaps: Times,
    /// How late the events of many open streams came.
    pub late: Times,
    /// The most memory meanwhile, in MB.
    pub resident: f64,
    /// What went wrong with whole answers, which are not asked for again then.
    pub failed_whole: Option<String>,
    /// What went wrong with streams, which are not asked for again then.
    pub failed_streams: Option<String>,
}

impl Figures {
    fn failed(&mut self, load: Load) -> &mut Option<String> {
        match load {
            Load::Whole => &mut self.failed_whole,
            Load::Burst | Load::Paced | Load::Slow => &mut self.failed_streams,
        }
    }
}

/// Whole answers and bursts, one at a time: each round asks everybody once, after a pause.
pub async fn one_at_a_time(contestants: &[Contestant], effort: &Effort, figures: &mut [Figures]) {
    for (load, count) in [(Load::Whole, effort.single), (Load::Burst, effort.bursts)] {
        let mut connections: Vec<Option<Connection>> = contestants.iter().map(|_| None).collect();
        for round in 0..count + 5 {
            for ((contestant, figures), connection) in contestants.iter().zip(&mut *figures).zip(&mut connections) {
                if figures.failed(load).is_some() {
                    continue;
                }
                sleep(effort.think).await;
                match once(contestant, load, connection).await {
                    // The first ones connect, and are no measure.
                    Ok(_) if round < 5 => {}
                    Ok(answer) => match load {
                        Load::Burst => figures.bursts.0.extend(first_to_last(&answer)),
                        _ => figures.single.0.push(answer.took),
                    },
                    Err(error) => *figures.failed(load) = Some(format!("{error:#}")),
                }
            }
        }
    }
}

async fn once(contestant: &Contestant, load: Load, kept: &mut Option<Connection>) -> Result<Answer> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(contestant.address).await?,
    };
    let answer = connection.ask(&contestant.ask(load)).await?;
    *kept = Some(connection);
    Ok(answer)
}

fn first_to_last(answer: &Answer) -> Option<u64> {
    Some(answer.events.last()?.came - answer.events.first()?.came)
}

/// Requests at once, closed loop: who has its answer asks again.
pub async fn at_once(contestants: &[Contestant], effort: &Effort, figures: &mut [Figures]) {
    // Two rounds that do not count, for connections and warm caches.
    for round in 0..effort.rounds + 2 {
        for (contestant, figures) in contestants.iter().zip(&mut *figures) {
            if figures.failed_whole.is_some() {
                continue;
            }
            let before = contestant.process.as_ref().map(|process| process.processor_time());
            match closed_loop(contestant, effort).await {
                Ok(_) if round < 2 => {}
                Ok((count, seconds)) => {
                    figures.rates.push(count as f64 / seconds);
                    if let (Some(process), Some(before)) = (&contestant.process, before) {
                        figures.processor.push((process.processor_time() - before) as f64 / count as f64);
                    }
                }
                Err(error) => figures.failed_whole = Some(format!("{error:#}")),
            }
        }
    }
}

async fn closed_loop(contestant: &Contestant, effort: &Effort) -> Result<(u64, f64)> {
    let mut workers = JoinSet::new();
    let (begun, end) = (Instant::now(), Instant::now() + effort.round);
    for _ in 0..effort.at_once {
        let (ask, address) = (contestant.ask(Load::Whole), contestant.address);
        workers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut count = 0_u64;
            while Instant::now() < end {
                connection.ask(&ask).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(ended) = workers.join_next().await {
        count += ended??;
    }
    if count == 0 {
        bail!("no answer within {:?}", effort.round);
    }
    Ok((count, begun.elapsed().as_secs_f64()))
}

/// Paced streams at once, begun evenly over one pause.
pub async fn paced(contestants: &[Contestant], effort: &Effort, figures: &mut [Figures]) {
    for _ in 0..effort.rounds {
        for (contestant, figures) in contestants.iter().zip(&mut *figures) {
            if figures.failed_streams.is_some() {
                continue;
            }
            match streams(contestant, Load::Paced, effort.at_once, crate::mock::PACE).await {
                Ok(answers) => {
                    for answer in &answers {
                        figures.first.0.extend(answer.events.first().map(|event| event.came - answer.asked));
                        figures.gaps.0.extend(answer.events.windows(2).map(|two| two[1].came - two[0].came));
                    }
                }
                Err(error) => figures.failed_streams = Some(format!("{error:#}")),
            }
        }
    }
}

async fn streams(contestant: &Contestant, load: Load, count: usize, over: Duration) -> Result<Vec<Answer>> {
    let mut workers = JoinSet::new();
    let begun = Instant::now();
    for place in 0..count {
        let (ask, address) = (contestant.ask(load), contestant.address);
        let at = begun + over.mul_f64(place as f64 / count as f64);
        workers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            tokio::time::sleep_until(at).await;
            connection.ask(&ask).await
        });
    }
    let mut answers = Vec::new();
    while let Some(ended) = workers.join_next().await {
        answers.push(ended??);
    }
    Ok(answers)
}

/// Many slow streams, opened over some seconds; what counts is from when all are open.
pub async fn open_streams(contestants: &[Contestant], names: &[&str], effort: &Effort, figures: &mut [Figures]) {
    /// How long opening them takes: that many at the same moment would measure the listener's backlog.
    const OPENING: Duration = Duration::from_secs(4);
    for (contestant, figures) in contestants.iter().zip(figures) {
        if !names.contains(&contestant.name) || figures.failed_streams.is_some() {
            continue;
        }
        let all_open = now() + u64::try_from(OPENING.as_micros()).unwrap_or_default() + 500_000;
        let watch = async {
            let mut most: f64 = 0.0;
            loop {
                most = most.max(contestant.process.as_ref().map_or(0.0, |process| process.resident()));
                figures.resident = most;
                sleep(Duration::from_millis(500)).await;
            }
        };
        let opened = streams(contestant, Load::Slow, effort.open, OPENING);
        let answers = tokio::select! {
            answers = opened => answers,
            () = watch => continue,
        };
        match answers {
            Ok(answers) => {
                let events = answers.iter().flat_map(|answer| &answer.events).filter(|event| event.sent > all_open);
                figures.late.0.extend(events.map(|event| event.came.saturating_sub(event.sent)));
            }
            Err(error) => figures.failed_streams = Some(format!("{error:#}")),
        }
    }
}
