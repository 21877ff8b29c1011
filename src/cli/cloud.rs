//! Where calls go: Google, a simulated cloud elsewhere on this machine, or one inside this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::console::Console;
use super::exit::{Exit, Trouble};
use super::log;
use super::scenario::world;
use crate::action::{ByHand, Programs};
use crate::clock::{Clock, SystemClock};
use crate::journal::Directory;
use crate::probe::{Probes, Route};
use crate::resource::{BuildError, Cloud, Endpoint, Kinds, SupportDesk, Writer};
use crate::runbook::Mode;
use crate::runbook::model::Runbook;
use crate::sim;

/// How fast a simulated cloud runs unless told otherwise.
const SPEED: f64 = 60.0;

/// The file in a run's directory that holds its embedded cloud.
const SAVED: &str = "cloud.json";
/// The folder in a run's directory that has what its programs say.
const OUTPUT: &str = "output";
/// The file in a run's directory that says where its calls go.
const WHERE: &str = "where.json";

/// The flags that say where calls go.
#[derive(Args)]
pub(super) struct CloudFlags {
    /// Use a simulated cloud: the scenario beside the runbook, another scenario, or one that is served at
    /// http://127.0.0.1:PORT. Without this, the calls go to Google
    #[arg(long, value_name = "SCENARIO|URL", num_args = 0..=1, default_missing_value = "")]
    sim: Option<String>,

    /// Act at Google as this service account, by its e-mail address
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "sim")]
    impersonate: Option<String>,

    /// With --sim, run the programs of `shell` steps and send messages all the same; otherwise a rehearsal does neither
    #[arg(long, requires = "sim")]
    run_programs: bool,

    /// How much faster than the wall's clock the simulated cloud runs, or `max` [default: 60]
    #[arg(long, value_name = "N")]
    speed: Option<Speed>,
}

/// How fast simulated time passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Speed {
    /// So many times as fast as the wall's clock.
    Times(f64),
    /// It jumps to the next moment at which something happens.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Speed::Max),
            Ok(times) if (0.1..=10_000.0).contains(&times) => Ok(Speed::Times(times)),
            _ => Err("a number from 0.1 to 10000, or `max`".to_owned()),
        }
    }
}

impl Speed {
    /// The clock of a cloud inside this process. Faster than the wall's, it charges nobody for work: at sixty times its
    /// pace, forty milliseconds of this machine would be an endpoint that takes more than two seconds.
    fn embedded(self, start: Timestamp) -> sim::Clock {
        match self {
            Speed::Times(factor) if factor > 1.0 => sim::Clock::paced(start, factor),
            Speed::Times(_) | Speed::Max => self.clock(start),
        }
    }

    /// The clock of a cloud that is served: its time passes for whoever asks, also if nobody here knows of them.
    pub(super) fn clock(self, start: Timestamp) -> sim::Clock {
        match self {
            Speed::Times(factor) => sim::Clock::scaled(start, factor),
            Speed::Max => sim::Clock::stepped(start),
        }
    }
}

/// Where the calls of a run go; kept with the run, so that it is resumed on the same cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub(super) enum Where {
    /// Google.
    Google {
        /// The service account to act as.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        impersonate: Option<String>,
    },
    /// A simulated cloud that another process serves.
    Served {
        /// Its address.
        address: SocketAddr,
        /// Whether programs are run all the same.
        #[serde(default)]
        programs: bool,
    },
    /// A simulated cloud inside this process.
    Embedded {
        /// The scenario it starts from.
        scenario: PathBuf,
        /// How fast it runs.
        speed: Speed,
        /// Whether programs are run all the same.
        #[serde(default)]
        programs: bool,
    },
}

impl Where {
    /// The place of a run.
    pub(super) fn of(directory: &Directory) -> Result<Where, Trouble> {
        let trouble = |error: &dyn std::error::Error| Trouble::from_error(Exit::Failed, error);
        let kept = directory.kept(WHERE).map_err(|error| trouble(&error))?;
        serde_json::from_slice(&kept).map_err(|error| trouble(&error))
    }

    /// What a runbook is read for that is carried out there.
    pub(super) fn mode(&self) -> Mode {
        if matches!(self, Where::Google { .. }) { Mode::Run } else { Mode::Rehearse }
    }

    /// Keeps it in a run's directory.
    fn keep(&self, directory: &Directory) -> Result<(), Trouble> {
        directory.keep(WHERE, &self.written()?).map_err(|error| Trouble::from_error(Exit::Failed, &error))
    }

    fn written(&self) -> Result<Vec<u8>, Trouble> {
        serde_json::to_vec(self).map_err(|error| Trouble::from_error(Exit::Failed, &error))
    }

    /// Lets the cloud inside a run go at another speed.
    pub(super) fn set_speed(directory: &Directory, wanted: Speed) -> Result<(), Trouble> {
        let mut place = Where::of(directory)?;
        let Where::Embedded { speed, .. } = &mut place else {
            return Err(Trouble::new(Exit::Usage, "--speed is for a run with a simulated cloud of its own"));
        };
        *speed = wanted;
        directory.replace(WHERE, &place.written()?).map_err(|error| Trouble::from_error(Exit::Failed, &error))
    }

    /// Whether the programs of `shell` steps are run: a rehearsal runs none unless it is told to.
    fn runs_programs(&self) -> bool {
        match self {
            Where::Google { .. } => true,
            Where::Served { programs, .. } | Where::Embedded { programs, .. } => *programs,
        }
    }
}

impl CloudFlags {
    /// Whether any of them is given.
    pub(super) fn are_given(&self) -> bool {
        self.run_programs || self.sim.is_some() || self.speed.is_some() || self.impersonate.is_some()
    }

    /// What the flags say, for this runbook.
    pub(super) fn place(&self, runbook: &Path) -> Result<Where, Trouble> {
        let Some(sim) = &self.sim else {
            if self.speed.is_some() {
                return Err(Trouble::new(
                    Exit::Usage,
                    "--speed is for a simulated cloud; Google's time cannot be hurried",
                )
                .help("add --sim"));
            }
            return Ok(Where::Google { impersonate: self.impersonate.clone() });
        };
        if let Some(rest) = sim.strip_prefix("http://") {
            let address =
                rest.trim_end_matches('/').parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback());
            let address = address.ok_or_else(|| {
                Trouble::new(Exit::Usage, format!("{sim} is not the address of a simulated cloud"))
                    .help("it looks like http://127.0.0.1:8080, as `rectify simulate` prints it")
            })?;
            if self.speed.is_some() {
                return Err(Trouble::new(Exit::Usage, "a cloud that is served already has its own speed")
                    .help("give --speed to `rectify simulate` instead"));
            }
            return Ok(Where::Served { address, programs: self.run_programs });
        }
        let scenario = if sim.is_empty() { runbook.with_extension("sim.toml") } else { PathBuf::from(sim) };
        let speed = self.speed.unwrap_or(Speed::Times(SPEED));
        Ok(Where::Embedded { scenario, speed, programs: self.run_programs })
    }
}

/// A cloud that can be talked to.
pub(super) struct Connection {
    pub(super) place: Where,
    endpoint: Endpoint,
    pub(super) cloud: Arc<Cloud>,
    pub(super) kinds: Arc<Kinds>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) route: Route,
    /// Where calls go, in words.
    pub(super) words: String,
    simulator: Option<sim::Simulator>,
    /// Whether an embedded cloud is left as it was found.
    only_looks: bool,
}

impl Connection {
    /// Connects for the first time.
    pub(super) async fn open(place: Where, console: Console) -> Result<Connection, Trouble> {
        match &place {
            Where::Embedded { scenario, speed, .. } => {
                let text = std::fs::read_to_string(scenario).map_err(|error| {
                    Trouble::new(Exit::Usage, format!("the scenario {} cannot be read: {error}", scenario.display()))
                        .help("name one with --sim SCENARIO, or put NAME.sim.toml beside NAME.toml")
                })?;
                let world = world(&scenario.display().to_string(), &text, console)?;
                let clock = speed.embedded(world.now());
                Connection::embedded(place, world, clock, None).await
            }
            Where::Google { .. } | Where::Served { .. } => Connection::outside(place).await,
        }
    }

    /// Connects again to the cloud of a run. An embedded cloud goes on from where it was left.
    pub(super) async fn reopen(directory: &Directory, not_before: Timestamp) -> Result<Connection, Trouble> {
        let trouble = |error: &dyn std::error::Error| Trouble::from_error(Exit::Failed, error);
        let place = Where::of(directory)?;
        let Where::Embedded { speed, .. } = &place else { return Connection::outside(place).await };
        let saved = directory.file(SAVED);
        let world = sim::World::reopen(&saved).map_err(|error| trouble(&error))?;
        let clock = speed.embedded(world.now().max(not_before));
        Connection::embedded(place, world, clock, Some(saved)).await
    }

    /// Connects to the cloud of a run that is over, only to look.
    pub(super) async fn look_back(directory: &Directory, since: Timestamp) -> Result<Connection, Trouble> {
        let mut connection = Connection::reopen(directory, since).await?;
        connection.only_looks = true;
        Ok(connection)
    }

    async fn embedded(
        place: Where,
        world: sim::World,
        clock: sim::Clock,
        saved: Option<PathBuf>,
    ) -> Result<Connection, Trouble> {
        let hosts = world.hosts();
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = sim::Simulator::start(world, clock.clone(), here, saved);
        let simulator = simulator.map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
        let address = simulator.addr();
        let clock = Arc::new(Simulated(Embedded { _busy: clock.busy(), clock }));
        let route = Route::Simulated { address, hosts, authority: simulator.authority().to_owned() };
        let words = "a simulated cloud".to_owned();
        Connection::to(place, Endpoint::Simulated(address), clock, route, words, Some(simulator)).await
    }

    async fn outside(place: Where) -> Result<Connection, Trouble> {
        let Where::Served { address, .. } = place else {
            let impersonate = if let Where::Google { impersonate } = &place { impersonate.clone() } else { None };
            let words = match &impersonate {
                Some(account) => format!("Google Cloud as {account}"),
                None => "Google Cloud".to_owned(),
            };
            let endpoint = Endpoint::Google { impersonate };
            return Connection::to(place, endpoint, Arc::new(SystemClock), Route::Direct, words, None).await;
        };
        let silent = |error: &dyn std::fmt::Display| {
            Trouble::new(Exit::Failed, format!("no simulated cloud answers at http://{address}: {error}"))
                .help("start one with `rectify simulate SCENARIO`")
        };
        let (Control { hosts }, authority) = ask(address).await.map_err(|error| silent(&error.without_url()))?;
        let clock = sim::RemoteClock::join(address).map_err(|error| silent(&error))?;
        let words = format!("a simulated cloud at {address}");
        let route = Route::Simulated { address, hosts, authority };
        Connection::to(place, Endpoint::Simulated(address), Arc::new(Simulated(clock)), route, words, None).await
    }

    async fn to(
        place: Where,
        endpoint: Endpoint,
        clock: Arc<dyn Clock>,
        route: Route,
        words: String,
        simulator: Option<sim::Simulator>,
    ) -> Result<Connection, Trouble> {
        let cloud = Cloud::at(&endpoint).await.map_err(|error| no_client(&error))?;
        let cloud = Arc::new(cloud);
        let kinds = Arc::new(Kinds::on(&cloud));
        log::tell_time_by(clock.clone());
        Ok(Connection { place, endpoint, cloud, kinds, clock, route, words, simulator, only_looks: false })
    }

    /// Whether what steps do besides the cloud is done: programs, messages.
    pub(super) fn reaches_others(&self) -> bool {
        self.place.runs_programs()
    }

    /// What can be changed here: the cloud's resources, and what the runbook's own steps do.
    pub(super) fn kinds_of(&self, runbook: &Runbook, directory: &Directory) -> Arc<Kinds> {
        let output = Some(directory.file(OUTPUT));
        let programs = Programs::of(runbook, self.clock.clone(), output, !self.reaches_others());
        let kinds = Kinds::on(&self.cloud).with(Programs::NAME, Arc::new(programs));
        Arc::new(kinds.with(ByHand::NAME, Arc::new(ByHand)))
    }

    /// What it takes to change something. Only who carries out a run asks for it.
    pub(super) async fn writer(&self) -> Result<Writer, Trouble> {
        Writer::at(&self.endpoint).await.map_err(|error| no_client(&error))
    }

    /// The way to Google's support. Only who sends a case asks for it.
    pub(super) async fn support_desk(&self) -> Result<SupportDesk, Trouble> {
        SupportDesk::at(&self.endpoint).await.map_err(|error| no_client(&error))
    }

    /// The probes of a runbook, ready to look.
    pub(super) fn probes(&self, runbook: &Runbook) -> Probes {
        let (target, kinds) = (runbook.target.clone(), self.kinds.clone());
        Probes::new(runbook.probes.clone(), target, kinds, self.cloud.clone(), self.clock.clone(), self.route.clone())
    }

    /// Keeps in a run's directory what it takes to connect again.
    pub(super) fn keep(&self, directory: &Directory) -> Result<(), Trouble> {
        self.place.keep(directory)?;
        if let Some(simulator) = &self.simulator {
            simulator.save_to(directory.file(SAVED)).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
        }
        Ok(())
    }

    /// Leaves the embedded cloud, if there is one, as it is now.
    pub(super) async fn close(self) -> Result<(), Trouble> {
        let Some(simulator) = self.simulator else { return Ok(()) };
        let saved = if self.only_looks { Ok(()) } else { simulator.save() };
        simulator.stop().await;
        saved.map_err(|error| Trouble::from_error(Exit::Failed, &error))
    }
}

fn no_client(error: &BuildError) -> Trouble {
    let trouble = Trouble::from_error(Exit::Failed, error);
    trouble.help("log in with `gcloud auth application-default login`, or try the runbook with --sim")
}

/// What a served cloud says of itself.
#[derive(Deserialize)]
struct Control {
    hosts: Vec<String>,
}

/// Asks a served cloud what it serves, and for the certificate of its own authority.
async fn ask(address: SocketAddr) -> Result<(Control, String), reqwest::Error> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let get = async |what: &str| http.get(format!("http://{address}/_sim/{what}")).send().await?.error_for_status();
    Ok((get("state").await?.json().await?, get("ca.pem").await?.text().await?))
}

/// For how long, in real time, the other side of a conversation in this process is silent before it has nothing to say.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// The clock of a simulated cloud. Whoever holds it is at work, except while it sleeps.
struct Simulated<T>(T);

/// The clock of a cloud inside this process.
struct Embedded {
    clock: sim::Clock,
    _busy: sim::Busy,
}

impl Clock for Simulated<Embedded> {
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.0.clock.sleep_until(until).boxed()
    }

    fn timer(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.0.clock.timer(until).boxed()
    }

    fn deadline(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        silence(self, until)
    }

    fn beside(&self) -> Box<dyn Send + Sync> {
        Box::new(self.0.clock.busy())
    }
}

impl Clock for Simulated<sim::RemoteClock> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.0.sleep_until(until).boxed()
    }

    fn timer(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.0.timer(until).boxed()
    }

    fn deadline(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        silence(self, until)
    }

    fn beside(&self) -> Box<dyn Send + Sync> {
        Box::new(self.0.busy())
    }
}

/// Returns at this time, or lets it come once nobody has spoken for a while.
#[expect(clippy::disallowed_methods, reason = "how long the other side is really silent, whatever time it is there")]
fn silence(clock: &dyn Clock, until: Timestamp) -> BoxFuture<'_, ()> {
    let silence = async move {
        tokio::time::sleep(SILENCE).await;
        // Nobody is going to speak: let time pass.
        clock.sleep_until(until).await;
    };
    let timer = clock.timer(until);
    async move {
        futures::pin_mut!(silence, timer);
        futures::future::select(silence, timer).await;
    }
    .boxed()
}
