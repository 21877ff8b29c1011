//! `rectify simulate`: serve a simulated cloud until Ctrl-C.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::cloud::Speed;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::input_file::required_text;
use super::output_file;
use super::scenario::world;
use crate::driver::Signals;
use crate::sim;

#[derive(Args)]
pub(super) struct Arguments {
    /// The scenario that describes the cloud
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,

    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Listen on an address that others can reach; whoever reaches it may do everything
    #[arg(long)]
    allow_remote: bool,

    /// Write the port to this file once the cloud can be used
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,

    /// How much faster than the wall's clock the cloud's time passes
    #[arg(long, value_name = "N", default_value = "1")]
    speed: Speed,
}

pub(super) async fn simulate(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    let Arguments { scenario, listen, allow_remote, port_file, speed } = arguments;
    let text = required_text(scenario)?;
    let world = world(&scenario.display().to_string(), &text, console)?;
    let mut signals = Signals::listen().map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    let clock = speed.clock(world.now());
    let reach = if *allow_remote { sim::Reach::Anybody } else { sim::Reach::Loopback };
    let simulator = sim::Simulator::start_within(reach, world, clock, *listen, None).map_err(|error| match error {
        sim::StartError::NotLoopback(_) => CliError::from_error(Exit::Usage, &error)
            .help("give --allow-remote if others shall reach it; it asks nobody who they are"),
        error => CliError::from_error(Exit::Failed, &error),
    })?;
    if let Some(file) = port_file {
        // Written whole: a reader never sees half a number.
        output_file::write(file, simulator.addr().port().to_string().as_bytes())?;
    }
    console.out(&format!("a simulated cloud is at http://{}\nCtrl-C stops it\n", simulator.addr()));
    signals.next().await;
    simulator.stop().await;
    Ok(Exit::Done)
}
