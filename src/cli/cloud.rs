//! Where calls go: Google, a simulated cloud elsewhere on this machine, or one inside this process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::console::Console;
use super::exit::{CliError, Exit};
use super::log;
use super::scenario;
use crate::clock::{Clock, SystemClock};
use crate::external::{self, Conduct, Peers, Programs};
use crate::journal::Directory;
use crate::peer::{Route, ThisMachine};
use crate::plan::ProgramSteps;
use crate::probe::Observer;
use crate::resource::catalogued::SealedValues;
use crate::resource::{BuildError, Cloud, Endpoint, Kinds, SupportDesk, Writer};
use crate::runbook::Mode;
use crate::runbook::model::Runbook;
use crate::sim;
use crate::simulated::{Embedded, Served};

/// How fast a simulated cloud runs unless told otherwise.
const SPEED: f64 = 60.0;

/// The file in a run's directory that holds its embedded cloud.
const SAVED: &str = "cloud.json";
/// The folder in a run's directory that has what its programs say.
const OUTPUT: &str = "output";
/// The file in a run's directory that says where its calls go. It stays as it is; the journal has its digest.
pub(super) const WHERE: &str = "where.json";
/// The file in a run's directory that says how fast its embedded cloud runs from now on, if that was changed.
const PACE: &str = "speed.json";
/// The folder in a run's directory that has the configuration of `gcloud` in a rehearsal.
const GCLOUD: &str = "gcloud";

/// What a command wants of a runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To show what it would do; no run follows.
    Plan,
    /// To do some of it: its changes, or its probes as a run takes them.
    CarryOut,
}

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

    /// With --sim, run the programs of `shell` steps, send messages, and reach this machine all the same
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
pub(super) enum CloudTarget {
    /// Google.
    Google {
        /// The service account to act as.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        impersonate: Option<String>,
    },
    /// A simulated cloud that another process serves.
    Served {
        /// Its address.
        address: Loopback,
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

/// An address of this machine that no other machine reaches. A simulated cloud is nowhere else, whatever a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SocketAddr", into = "SocketAddr")]
pub(super) struct Loopback(SocketAddr);

/// An address of another machine, where a simulated cloud was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a loopback address, and a simulated cloud is on this machine only")]
pub(super) struct NotLoopback(SocketAddr);

impl TryFrom<SocketAddr> for Loopback {
    type Error = NotLoopback;

    fn try_from(address: SocketAddr) -> Result<Loopback, NotLoopback> {
        if address.ip().is_loopback() { Ok(Loopback(address)) } else { Err(NotLoopback(address)) }
    }
}

impl From<Loopback> for SocketAddr {
    fn from(Loopback(address): Loopback) -> SocketAddr {
        address
    }
}

/// Whose cloud a run is on. Runs on the greater one come first when the newest is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Realm {
    /// A simulated cloud of the run's own, which nobody else can be on.
    Rehearsal,
    /// A simulated cloud that another process serves.
    Served,
    /// Google.
    Google,
}

impl Realm {
    /// The realm of a run. One whose place cannot be read may be on Google.
    pub(super) fn of(directory: &Directory) -> Realm {
        CloudTarget::of(directory).map_or(Realm::Google, |place| place.realm())
    }
}

impl fmt::Display for CloudTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloudTarget::Google { .. } => f.write_str("google"),
            CloudTarget::Served { address: Loopback(address), .. } => write!(f, "sim {address}"),
            CloudTarget::Embedded { .. } => f.write_str("sim"),
        }
    }
}

impl CloudTarget {
    /// Whose cloud it is.
    pub(super) fn realm(&self) -> Realm {
        match self {
            CloudTarget::Google { .. } => Realm::Google,
            CloudTarget::Served { .. } => Realm::Served,
            CloudTarget::Embedded { .. } => Realm::Rehearsal,
        }
    }

    /// The cloud's name in locks; `None` if no other run can be on it.
    pub(super) fn lock_name(&self) -> Option<String> {
        (self.realm() != Realm::Rehearsal).then(|| self.to_string())
    }

    /// The place of a run.
    pub(super) fn of(directory: &Directory) -> Result<CloudTarget, CliError> {
        let trouble = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
        let kept = directory.kept(WHERE).map_err(|error| trouble(&error))?;
        serde_json::from_slice(&kept).map_err(|error| trouble(&error))
    }

    /// What a runbook is read for that is carried out there, or only planned.
    pub(super) fn mode(&self, purpose: Purpose) -> Mode {
        match (self, purpose) {
            (CloudTarget::Google { .. }, Purpose::CarryOut) => Mode::Run,
            (CloudTarget::Google { .. }, Purpose::Plan) => Mode::Plan,
            (CloudTarget::Served { .. } | CloudTarget::Embedded { .. }, _) => Mode::Rehearse,
        }
    }

    /// As [`WHERE`] has it.
    pub(super) fn written(&self) -> Result<Vec<u8>, CliError> {
        serde_json::to_vec(self).map_err(|error| CliError::from_error(Exit::Failed, &error))
    }

    /// Lets the cloud inside a run go at another speed.
    pub(super) fn set_speed(directory: &Directory, wanted: Speed) -> Result<(), CliError> {
        if !matches!(CloudTarget::of(directory)?, CloudTarget::Embedded { .. }) {
            return Err(CliError::new(Exit::Usage, "--speed is for a run with a simulated cloud of its own"));
        }
        let failed = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
        let wanted = serde_json::to_vec(&wanted).map_err(|error| failed(&error))?;
        directory.replace(PACE, &wanted).map_err(|error| failed(&error))
    }

    /// Whether a run there runs the programs of its steps.
    pub(super) fn program_steps(&self) -> ProgramSteps {
        if self.runs_programs() { ProgramSteps::Run } else { ProgramSteps::LeftOut }
    }

    /// Whether the programs of `shell` steps are run: a rehearsal runs none unless it is told to.
    fn runs_programs(&self) -> bool {
        match self {
            CloudTarget::Google { .. } => true,
            CloudTarget::Served { programs, .. } | CloudTarget::Embedded { programs, .. } => *programs,
        }
    }
}

impl CloudFlags {
    /// Whether a simulated cloud is meant.
    pub(super) fn is_simulated(&self) -> bool {
        self.sim.is_some()
    }

    /// Whether any of them is given.
    pub(super) fn are_given(&self) -> bool {
        self.run_programs || self.sim.is_some() || self.speed.is_some() || self.impersonate.is_some()
    }

    /// What the flags say, for this runbook.
    pub(super) fn place(&self, runbook: &Path) -> Result<CloudTarget, CliError> {
        let Some(sim) = &self.sim else {
            if self.speed.is_some() {
                return Err(CliError::new(
                    Exit::Usage,
                    "--speed is for a simulated cloud; Google's time cannot be hurried",
                )
                .help("add --sim"));
            }
            return Ok(CloudTarget::Google { impersonate: self.impersonate.clone() });
        };
        if let Some(rest) = sim.strip_prefix("http://") {
            let address = rest
                .trim_end_matches('/')
                .parse::<SocketAddr>()
                .ok()
                .and_then(|address| Loopback::try_from(address).ok());
            let address = address.ok_or_else(|| {
                CliError::new(Exit::Usage, format!("{sim} is not the address of a simulated cloud"))
                    .help("it looks like http://127.0.0.1:8080, as `rectify simulate` prints it")
            })?;
            if self.speed.is_some() {
                return Err(CliError::new(Exit::Usage, "a cloud that is served already has its own speed")
                    .help("give --speed to `rectify simulate` instead"));
            }
            return Ok(CloudTarget::Served { address, programs: self.run_programs });
        }
        let scenario = if sim.is_empty() { scenario::beside(runbook) } else { PathBuf::from(sim) };
        let speed = self.speed.unwrap_or(Speed::Times(SPEED));
        Ok(CloudTarget::Embedded { scenario, speed, programs: self.run_programs })
    }
}

/// A cloud that can be talked to.
pub(super) struct Connection {
    pub(super) place: CloudTarget,
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
    pub(super) async fn open(place: CloudTarget, console: Console) -> Result<Connection, CliError> {
        match &place {
            CloudTarget::Embedded { scenario, speed, .. } => {
                let world = scenario::read(scenario, console)?;
                let clock = speed.embedded(world.now());
                Connection::embedded(place, world, clock, None).await
            }
            CloudTarget::Google { .. } | CloudTarget::Served { .. } => Connection::outside(place).await,
        }
    }

    /// Connects again to the cloud of a run. An embedded cloud goes on from where it was left.
    pub(super) async fn reopen(directory: &Directory, not_before: Timestamp) -> Result<Connection, CliError> {
        let trouble = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
        let place = CloudTarget::of(directory)?;
        let CloudTarget::Embedded { speed, .. } = &place else { return Connection::outside(place).await };
        let changed = directory.kept(PACE).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let speed: Speed = changed.unwrap_or(*speed);
        let saved = directory.file(SAVED);
        let world = sim::World::reopen(&saved).map_err(|error| trouble(&error))?;
        let clock = speed.embedded(world.now().max(not_before));
        Connection::embedded(place, world, clock, Some(saved)).await
    }

    /// Connects to the cloud of a run that is over, only to look.
    pub(super) async fn look_back(directory: &Directory, since: Timestamp) -> Result<Connection, CliError> {
        let mut connection = Connection::reopen(directory, since).await?;
        connection.only_looks = true;
        Ok(connection)
    }

    async fn embedded(
        place: CloudTarget,
        world: sim::World,
        clock: sim::Clock,
        saved: Option<PathBuf>,
    ) -> Result<Connection, CliError> {
        let hosts = world.hosts();
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = sim::Simulator::start(world, clock.clone(), here, saved);
        let simulator = simulator.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        let address = simulator.addr();
        let clock = Arc::new(Embedded::of(clock));
        let route = Route::Simulated {
            address,
            hosts,
            authority: simulator.authority().to_owned(),
            this_machine: ThisMachine::Reachable,
        };
        let words = "a simulated cloud".to_owned();
        Connection::to(place, Endpoint::Simulated(address), clock, route, words, Some(simulator)).await
    }

    async fn outside(place: CloudTarget) -> Result<Connection, CliError> {
        let CloudTarget::Served { address: Loopback(address), .. } = place else {
            let impersonate = if let CloudTarget::Google { impersonate } = &place { impersonate.clone() } else { None };
            let words = match &impersonate {
                Some(account) => format!("Google Cloud as {account}"),
                None => "Google Cloud".to_owned(),
            };
            let endpoint = Endpoint::Google { impersonate };
            return Connection::to(place, endpoint, Arc::new(SystemClock), Route::Direct, words, None).await;
        };
        let silent = |error: &dyn std::fmt::Display| {
            CliError::new(Exit::Failed, format!("no simulated cloud answers at http://{address}: {error}"))
                .help("start one with `rectify simulate SCENARIO`")
        };
        let (Control { hosts }, authority) = ask(address).await.map_err(|error| silent(&error.without_url()))?;
        let clock = sim::RemoteClock::join(address).map_err(|error| silent(&error))?;
        let words = format!("a simulated cloud at {address}");
        let route = Route::Simulated { address, hosts, authority, this_machine: ThisMachine::Reachable };
        Connection::to(place, Endpoint::Simulated(address), Arc::new(Served::of(clock)), route, words, None).await
    }

    async fn to(
        place: CloudTarget,
        endpoint: Endpoint,
        clock: Arc<dyn Clock>,
        route: Route,
        words: String,
        simulator: Option<sim::Simulator>,
    ) -> Result<Connection, CliError> {
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
    pub(super) fn kinds_of(&self, runbook: &Runbook, directory: &Directory) -> Result<Arc<Kinds>, CliError> {
        let output = Some(directory.file(OUTPUT));
        let programs = Programs::of(runbook, self.clock.clone(), output, self.conduct(directory));
        let sealed = SealedValues::in_file(directory.file(SealedValues::FILE));
        let sealed = sealed.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        // What a step sends to this machine reaches more than the simulated cloud.
        let route = match self.route.clone() {
            Route::Simulated { address, hosts, authority, .. } if !self.reaches_others() => {
                Route::Simulated { address, hosts, authority, this_machine: ThisMachine::Unreachable }
            }
            route @ (Route::Simulated { .. } | Route::Direct) => route,
        };
        let peers = Peers { route, clock: self.clock.clone(), run: directory.id() };
        Ok(Arc::new(external::kinds(runbook, &self.cloud, programs, sealed, peers)))
    }

    /// Whether programs are run here. On a simulated cloud `gcloud` is pointed at that, and at nothing else.
    fn conduct(&self, directory: &Directory) -> Conduct {
        match &self.endpoint {
            _ if !self.reaches_others() => Conduct::LeaveOut,
            Endpoint::Own { .. } => Conduct::LeaveOut,
            Endpoint::Google { .. } => Conduct::Run { env: BTreeMap::new() },
            Endpoint::Simulated(address) => Conduct::Run { env: gcloud(*address, &directory.file(GCLOUD)) },
        }
    }

    /// What it takes to change something. Only who carries out a run asks for it.
    pub(super) async fn writer(&self) -> Result<Writer, CliError> {
        Writer::at(&self.endpoint).await.map_err(|error| no_client(&error))
    }

    /// The way to Google's support. Only who sends a case asks for it.
    pub(super) async fn support_desk(&self) -> Result<SupportDesk, CliError> {
        SupportDesk::at(&self.endpoint).await.map_err(|error| no_client(&error))
    }

    /// The probes of a runbook, ready to look.
    pub(super) fn probes(&self, runbook: &Runbook) -> Observer {
        Observer::new(
            runbook.probe_set(),
            self.kinds.clone(),
            self.cloud.clone(),
            self.clock.clone(),
            self.route.clone(),
        )
    }

    /// Keeps the embedded cloud, if there is one, in a run's directory.
    pub(super) fn keep(&self, directory: &Directory) -> std::io::Result<()> {
        let saved = self.simulator.as_ref().map_or(Ok(()), |simulator| simulator.save_to(directory.file(SAVED)));
        saved.map_err(std::io::Error::other)
    }

    /// Leaves the embedded cloud, if there is one, as it is now.
    pub(super) async fn close(self) -> Result<(), CliError> {
        let Some(simulator) = self.simulator else { return Ok(()) };
        let saved = if self.only_looks { Ok(()) } else { simulator.save() };
        simulator.stop().await;
        saved.map_err(|error| CliError::from_error(Exit::Failed, &error))
    }
}

/// The environment in which `gcloud` talks to this simulated cloud only: with a configuration of its own in `folder`, in
/// which nobody is logged in, and with the cloud as its proxy for everything else. See docs/simulated-cloud.md.
fn gcloud(address: SocketAddr, folder: &Path) -> BTreeMap<String, OsString> {
    let token = folder.join("token");
    // Without the file gcloud refuses to work, which is what is wanted then.
    let _ = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&token, "simulated"));
    let text = |name: &str, value: &str| (format!("CLOUDSDK_{name}"), OsString::from(value));
    let fixed = [
        ("CORE_ACCOUNT", "rehearsal@example.com"),
        ("CORE_DISABLE_PROMPTS", "1"),
        ("CORE_DISABLE_USAGE_REPORTING", "true"),
        ("COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true"),
        ("CORE_DISABLE_FILE_LOGGING", "true"),
        ("SURVEY_DISABLE_PROMPTS", "true"),
        // Both keep it from asking for a metadata server.
        ("METRICS_ENVIRONMENT", "sim"),
        ("CORE_CHECK_GCE_METADATA", "false"),
        // It puts the region before the host of Cloud Run: that name only the proxy ever sees.
        ("API_ENDPOINT_OVERRIDES_RUN", "http://run.sim/"),
        ("PROXY_TYPE", "http"),
    ];
    let mut env: BTreeMap<String, OsString> = fixed.into_iter().map(|(name, value)| text(name, value)).collect();
    for api in ["VPCACCESS", "SQL", "LOGGING", "COMPUTE", "SERVICEUSAGE", "CLOUDRESOURCEMANAGER", "IAM"] {
        env.extend([text(&format!("API_ENDPOINT_OVERRIDES_{api}"), &format!("http://{address}/"))]);
    }
    env.extend([text("PROXY_ADDRESS", &address.ip().to_string()), text("PROXY_PORT", &address.port().to_string())]);
    let paths = [("CLOUDSDK_CONFIG", folder), ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &token)];
    env.extend(paths.map(|(name, path)| (name.to_owned(), path.as_os_str().to_owned())));
    env
}

fn no_client(error: &BuildError) -> CliError {
    let trouble = CliError::from_error(Exit::Failed, error);
    trouble.help("log in with `gcloud auth application-default login`, or try the runbook with --sim")
}

/// What a served cloud says of itself.
#[derive(Deserialize)]
struct Control {
    hosts: Vec<String>,
}

/// Asks a served cloud what it serves, and for the certificate of its own authority.
async fn ask(address: SocketAddr) -> Result<(Control, String), reqwest::Error> {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let get = async |what: &str| http.get(format!("http://{address}/_sim/{what}")).send().await?.error_for_status();
    Ok((get("state").await?.json().await?, get("ca.pem").await?.text().await?))
}
