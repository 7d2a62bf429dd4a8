//! The processes that are measured: started, asked for their first line, looked at through `/proc`, and ended with
//! their handle.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A tick of `/proc/PID/stat`, in microseconds: Linux tells all programs that there are 100 a second.
const TICK: u64 = 10_000;

/// A process of ours, and those that it started.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Starts it, and waits for its first line.
    pub fn with_first_line(command: &mut Command) -> Result<(Self, String)> {
        let mut process = Self::start(command.stdout(Stdio::piped()))?;
        let mut line = String::new();
        let mut output = BufReader::new(process.child.stdout.take().context("its output is a pipe")?);
        output.read_line(&mut line)?;
        if line.is_empty() {
            bail!("{} said nothing", command.get_program().display());
        }
        // Whatever else it says is read, so that it is never blocked by a full pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok((process, line))
    }

    /// Waits until it accepts connections, or has ended.
    pub async fn listens(&mut self, address: SocketAddr, within: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended: {status}");
            }
            if begun.elapsed() > within {
                bail!("it did not listen within {} s", within.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The processor time it and its children took so far, in microseconds.
    pub fn processor_time(&self) -> u64 {
        self.family().iter().map(|pid| ticks(*pid).unwrap_or_default() * TICK).sum()
    }

    /// The memory it and its children have resident, in MB of 1,048,576 bytes.
    pub fn resident(&self) -> f64 {
        self.family().iter().map(|pid| kilobytes(*pid).unwrap_or_default()).sum::<f64>() / 1024.0
    }

    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = family.get(next).copied() {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            next += 1;
        }
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `utime` and `stime`, which stand 12th and 13th behind the name in brackets (proc_pid_stat(5)).
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn kilobytes(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A port that nobody listens on just now, for programs that cannot choose one themselves.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
