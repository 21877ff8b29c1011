//! A run's questions at the console: what is offered, and what a typed line says.

use std::fmt::Write as _;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::console::Console;
use super::prompt::{AskError, Asked, Reply, visible};
use super::rollback::preview;
use crate::clock::{between, format_duration};
use crate::driver::{Answer, Asker, Asking};
use crate::engine::Run;
use crate::inert::inert;
use crate::plan::{failure_policy, way_back};
use crate::report::{BY_HAND, UNDO_BY_HAND, commands_by_hand};
use crate::run::{Choice, Difference, Failure, Question, Task, View, Way};

/// A person at this console.
pub(super) struct Person {
    /// Where to ask.
    pub(super) console: Console,
    /// Who it is, for the journal.
    pub(super) name: String,
}

impl Asker for Person {
    fn ask<'a>(&'a mut self, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, String>> {
        async move {
            let put = put(self.console, asking).await.map_err(|error| error.to_string())?;
            Ok(match put {
                Put::Answer { choice, reason, shown } => {
                    Answer::Given { choice, by: self.name.clone(), reason, visible: visible(shown) }
                }
                Put::Interrupted(by) => Answer::Interrupted(by),
            })
        }
        .boxed()
    }
}

/// What came of putting a question.
enum Put {
    Answer {
        choice: Choice,
        /// Why, where the answer wants a reason.
        reason: Option<String>,
        /// When the question came on the screen.
        shown: Timestamp,
    },
    Interrupted(String),
}

async fn put(console: Console, asking: Asking<'_>) -> Result<Put, AskError> {
    match asking.question {
        Question::Apply { .. } | Question::Confirm { .. } => ask_about_change(console, asking).await,
        Question::Irreversible { task, .. } => {
            let name = task.as_str();
            let prompt = format!("Type {} to apply what cannot be undone, or press Enter to stop", inert(name));
            Ok(yes_or_no(console.ask_for_name(&prompt, name).await?))
        }
        Question::Restore { task, .. } => {
            let prompt = format!("Undo {} all the same?", inert(task.as_str()));
            Ok(yes_or_no(console.confirm(&prompt).await?))
        }
        Question::Doubt { op } => {
            let prompt = format!("Did {} happen? Look for yourself.", inert(&op.to_string()));
            Ok(yes_or_no(console.confirm(&prompt).await?))
        }
        Question::TookEffect { op, .. } => {
            let prompt = match op.way {
                Way::Apply => "Did it change something? Type yes, no or unknown",
                Way::Undo => "Is it undone? Type yes, no or unknown",
            };
            Ok(match console.ask(prompt, took_effect).await? {
                Asked::Answer { answer: choice, shown } => Put::Answer { choice, reason: None, shown },
                Asked::Interrupted(by) => Put::Interrupted(by),
            })
        }
        Question::Failed { .. } | Question::Interrupted { .. } => ask_what_now(console, asking).await,
    }
}

/// What a line says to whether a program changed something.
fn took_effect(line: &str) -> Reply<Choice> {
    match line.trim().to_lowercase().as_str() {
        "yes" => Reply::Answer(Choice::Yes),
        "no" => Reply::Answer(Choice::No),
        "unknown" => Reply::Answer(Choice::Unknown),
        _ => Reply::Again("Type yes, no or unknown.".to_owned()),
    }
}

fn yes_or_no(asked: Asked<bool>) -> Put {
    match asked {
        Asked::Answer { answer, shown } => {
            let choice = if answer { Choice::Yes } else { Choice::No };
            Put::Answer { choice, reason: None, shown }
        }
        Asked::Interrupted(by) => Put::Interrupted(by),
    }
}

/// Asks about a change until there is an answer. Enter alone is none: nothing is changed, or skipped, by a slip.
async fn ask_about_change(console: Console, asking: Asking<'_>) -> Result<Put, AskError> {
    let offers = asking.run.offers(asking.question, asking.now);
    let prompt = change_prompt(asking.question, &offers);
    let mut first = None;
    loop {
        let (line, shown) = match console.ask(&prompt, |line| change_line(line, &offers)).await? {
            Asked::Answer { answer, shown } => (answer, *first.get_or_insert(shown)),
            Asked::Interrupted(by) => return Ok(Put::Interrupted(by)),
        };
        match line {
            ChangeLine::Details => console.say(&details(asking.view, asking.question)),
            ChangeLine::Choice(Choice::Skip) => match console.ask("Why is it skipped?", reason).await? {
                Asked::Answer { answer: Some(reason), .. } => {
                    return Ok(Put::Answer { choice: Choice::Skip, reason: Some(reason), shown });
                }
                Asked::Answer { answer: None, .. } => {
                    console.say("Not skipped: skipping a step wants a reason, which is written down.");
                }
                Asked::Interrupted(by) => return Ok(Put::Interrupted(by)),
            },
            ChangeLine::Choice(Choice::Rollback) => match confirm_rollback(console, asking).await? {
                Asked::Answer { answer: true, .. } => {
                    return Ok(Put::Answer { choice: Choice::Rollback, reason: None, shown });
                }
                Asked::Answer { answer: false, .. } => console.say("Nothing was undone."),
                Asked::Interrupted(by) => return Ok(Put::Interrupted(by)),
            },
            ChangeLine::Choice(choice) => return Ok(Put::Answer { choice, reason: None, shown }),
        }
    }
}

/// Lists what a rollback would undo, and asks whether it shall.
async fn confirm_rollback(console: Console, asking: Asking<'_>) -> Result<Asked<bool>, AskError> {
    if let Some(turned) = asking.run.answered(asking.question, Choice::Rollback, asking.now) {
        let id = asking.view.run.as_ref().map(ToString::to_string).unwrap_or_default();
        console.say(&preview(&id, &turned));
    }
    console.confirm("Undo this?").await
}

/// Asks what to do about a failure or an interruption.
async fn ask_what_now(console: Console, asking: Asking<'_>) -> Result<Put, AskError> {
    let Asking { question, run, now, .. } = asking;
    let ways_out: Vec<WayOut> =
        run.offers(question, now).into_iter().filter_map(|choice| WayOut::of(choice, asking)).collect();
    console.say(&ways_out.iter().fold(String::new(), |mut list, way| {
        let _ = writeln!(list, "    {:<11} {}", way.word, way.meaning);
        list
    }));
    let default = ways_out.first().map_or("no answer", |way| way.word);
    let prompt = format!("What now? Type one of these words; Enter alone is {default}");
    let mut first = None;
    loop {
        let (choice, shown) = match console.ask(&prompt, |line| way_out(line, &ways_out)).await? {
            Asked::Answer { answer, shown } => (answer, *first.get_or_insert(shown)),
            Asked::Interrupted(by) => return Ok(Put::Interrupted(by)),
        };
        if choice == Choice::Rollback {
            match confirm_rollback(console, asking).await? {
                Asked::Answer { answer: true, .. } => {}
                Asked::Answer { answer: false, .. } => {
                    console.say("Nothing was undone.");
                    continue;
                }
                Asked::Interrupted(by) => return Ok(Put::Interrupted(by)),
            }
        }
        return Ok(Put::Answer { choice, reason: None, shown });
    }
}

/// One thing that can be done about a failure.
struct WayOut {
    choice: Choice,
    /// What is typed to choose it.
    word: &'static str,
    /// What it does.
    meaning: String,
}

impl WayOut {
    fn of(choice: Choice, asking: Asking<'_>) -> Option<WayOut> {
        let (word, meaning) = match choice {
            Choice::Stop => ("stop", "stop here; what is applied stays, and `rectify resume` goes on".to_owned()),
            Choice::Retry => ("retry", "try the step again".to_owned()),
            Choice::Continue => ("continue", continuing(asking.question).to_owned()),
            Choice::Rollback => {
                let turned = asking.run.answered(asking.question, choice, asking.now);
                ("roll back", format!("undo {}; what that does is listed first", undone(&turned?)))
            }
            Choice::Yes | Choice::No | Choice::Unknown | Choice::Skip | Choice::AllInPhase => return None,
        };
        Some(WayOut { choice, word, meaning })
    }
}

/// What a run that has turned back undoes, in a few words.
fn undone(turned: &Run) -> String {
    let undo = turned.undo();
    let steps: Vec<_> =
        undo.iter().filter(|(task, _)| task.back_for.is_none()).map(|(task, _)| inert(task.id.as_str())).collect();
    if steps.is_empty() { "what is in flight, if it takes effect".to_owned() } else { steps.join(", ") }
}

/// What it means to go on after this.
fn continuing(question: &Question) -> &'static str {
    let (Question::Failed { failure, .. } | Question::Interrupted { failure, .. }) = question else {
        return "go on";
    };
    match &**failure {
        Failure::PreconditionsUnmet { .. } => "leave this step out, and go on with the next",
        Failure::Gate { .. } => "go on, although its gate has not passed; the change stays",
        Failure::Operation { took_effect: true, .. } => "go on with the next step; what took effect stays",
        Failure::Refused { .. }
        | Failure::Operation { .. }
        | Failure::Lost { .. }
        | Failure::Blocked { .. }
        | Failure::Missing { .. } => "go on with the next step, without this change",
        Failure::OperationTimedOut { .. } => "go on with the next step; its operation may still end either way",
        Failure::Unknown { .. } => "go on with the next step; whether this one changed something is not known",
        Failure::ConcurrentChange { .. } => "go on with the next step, and leave what is there",
        Failure::Guard { .. } => "go on, and watch this guard no longer",
        Failure::Budget { .. } => "go on; the phase may take longer",
    }
}

/// What a line says to what can be done. Enter alone is the first of it, which is to stop, or at the end of a run to go on.
fn way_out(line: &str, ways_out: &[WayOut]) -> Reply<Choice> {
    let word = line.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let found = ways_out.iter().find(|way| way.word == word || way.word.replace(' ', "") == word);
    let default = ways_out.first().filter(|_| word.is_empty());
    match found.or(default) {
        Some(way) => Reply::Answer(way.choice),
        None => {
            let words: Vec<_> = ways_out.iter().map(|way| way.word).collect();
            Reply::Again(format!("`{}` is none of them: {}.", inert(line.trim()), words.join(", ")))
        }
    }
}

/// What a line says to the question about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChangeLine {
    Choice(Choice),
    /// Show everything that is known of it, and ask again.
    Details,
}

/// The question about a change, with what can be answered.
fn change_prompt(question: &Question, offers: &[Choice]) -> String {
    let name = match question {
        Question::Apply { task } | Question::Confirm { task, .. } | Question::Irreversible { task, .. } => {
            task.as_str()
        }
        Question::Failed { .. }
        | Question::Interrupted { .. }
        | Question::Restore { .. }
        | Question::TookEffect { .. }
        | Question::Doubt { .. } => "",
    };
    let mut words: Vec<_> = offers.iter().filter_map(|choice| Some(letters(*choice)?.1)).collect();
    words.extend(["[d]etails", "[?]"]);
    format!("{}: Apply this change? {}", inert(name), words.join(", "))
}

/// The letter and the word of an answer to the question about a change, and what it does.
fn letters(choice: Choice) -> Option<(char, &'static str, &'static str)> {
    Some(match choice {
        Choice::Yes => ('y', "[y]es", "apply it"),
        Choice::No => ('n', "[n]o/stop", "do not apply it, and stop the run here; what is applied stays"),
        Choice::Skip => ('s', "[s]kip", "skip this step, for a reason that is written down, and go on with the next"),
        Choice::AllInPhase => {
            ('a', "[a]ll in this phase", "apply it, and each other ordinary change of this phase without asking")
        }
        Choice::Rollback => ('r', "[r]oll back", "list what a rollback would undo, and ask whether it shall"),
        Choice::Retry | Choice::Continue | Choice::Stop | Choice::Unknown => return None,
    })
}

fn change_line(line: &str, offers: &[Choice]) -> Reply<ChangeLine> {
    let word = line.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let meant = match word.as_str() {
        "d" | "details" => return Reply::Answer(ChangeLine::Details),
        "y" | "yes" => Some(Choice::Yes),
        "n" | "no" => Some(Choice::No),
        "s" | "skip" => Some(Choice::Skip),
        "a" | "all" | "all in this phase" => Some(Choice::AllInPhase),
        "r" | "roll back" | "rollback" => Some(Choice::Rollback),
        _ => None,
    };
    match meant.filter(|choice| offers.contains(choice)) {
        Some(choice) => Reply::Answer(ChangeLine::Choice(choice)),
        None => Reply::Again(help(&word, offers)),
    }
}

/// What can be typed.
fn help(typed: &str, offers: &[Choice]) -> String {
    let mut text = match typed {
        "" => "Enter alone is no answer. Type a letter or its word, then Enter:\n".to_owned(),
        "?" | "h" | "help" => "Type a letter or its word, then Enter:\n".to_owned(),
        typed => format!("`{}` is no answer here. Type a letter or its word, then Enter:\n", inert(typed)),
    };
    for (letter, _, meaning) in offers.iter().filter_map(|choice| letters(*choice)) {
        let _ = writeln!(text, "    {letter}  {meaning}");
    }
    text + "    d  show everything that is known of the change"
}

/// A reason, if the line has one.
fn reason(line: &str) -> Reply<Option<String>> {
    let reason = line.trim();
    Reply::Answer((!reason.is_empty()).then(|| reason.to_owned()))
}

/// Everything that is known of a change before it is made, a fact a line: what its values are, whole; what follows it; how it
/// is taken back; and the same by hand.
fn details(view: &View, question: &Question) -> String {
    let (Question::Apply { task } | Question::Confirm { task, .. } | Question::Irreversible { task, .. }) = question
    else {
        return String::new();
    };
    let Some(task) = view.task(task).map(|view| &view.task) else { return String::new() };
    let Some(change) = &task.change else { return String::new() };
    let mut facts = vec![("resource", inert(&change.resource.to_string()))];
    for Difference { field, before, after } in change.differences() {
        facts.extend(before.map(|before| ("before", format!("{} {}", inert(&field), inert(&before)))));
        facts.push(("after", format!("{} {}", inert(&field), inert(&after))));
    }
    facts.push(("sent", "only if the resource is still as it was before; observed again afterwards".to_owned()));
    facts.push(("gate", task.gate.as_ref().map_or_else(|| "none".to_owned(), crate::plan::gate)));
    facts.push(("if it fails", failure_policy(task.failure_policy()).to_owned()));
    facts.push(("rollback", way_back(task)));
    let since = view.started.map(|started| format_duration(between(started, view.now)));
    facts.extend(since.map(|since| ("observed", format!("when this run began, {since} ago"))));
    facts.iter().fold(String::new(), |mut text, (name, fact)| {
        let _ = writeln!(text, "      {name:<13}{fact}");
        text
    }) + &by_hand(task)
}

/// The commands that do the same, and those that take it back, each on a line of its own, to be copied.
fn by_hand(task: &Task) -> String {
    let undo = if task.is_undone_by_rollback() { commands_by_hand(task, Way::Undo) } else { Vec::new() };
    let apply = commands_by_hand(task, Way::Apply).into_iter().map(|command| format!("{BY_HAND}{command}"));
    let undo = undo.into_iter().map(|command| format!("{UNDO_BY_HAND}{command}"));
    apply.chain(undo).fold(String::new(), |mut text, command| {
        let _ = writeln!(text, "      {command}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::TaskId;

    const ALL: [Choice; 5] = [Choice::Yes, Choice::No, Choice::Skip, Choice::AllInPhase, Choice::Rollback];

    fn is_again<T>(reply: &Reply<T>) -> bool {
        matches!(reply, Reply::Again(_))
    }

    #[test]
    fn a_letter_or_its_word_answers_the_question_about_a_change() {
        let says = [
            ("y", Choice::Yes),
            ("Yes", Choice::Yes),
            (" no ", Choice::No),
            ("s", Choice::Skip),
            ("all", Choice::AllInPhase),
            ("roll  back", Choice::Rollback),
        ];
        for (line, choice) in says {
            assert_eq!(change_line(line, &ALL), Reply::Answer(ChangeLine::Choice(choice)), "{line:?}");
        }
        assert_eq!(change_line("d", &ALL), Reply::Answer(ChangeLine::Details));
        for line in ["", "yy", "yesno", "?", "scale-connector", "ya", "\u{1b}[B"] {
            assert!(is_again(&change_line(line, &ALL)), "{line:?}");
        }
    }

    #[test]
    fn what_is_not_offered_is_neither_shown_nor_taken() {
        let offers = [Choice::Yes, Choice::No, Choice::Skip];
        for line in ["a", "all", "r", "roll back"] {
            assert!(is_again(&change_line(line, &offers)), "{line:?}");
        }
        let question = Question::Apply { task: TaskId::of_step("grow") };
        assert_eq!(
            change_prompt(&question, &offers),
            "grow: Apply this change? [y]es, [n]o/stop, [s]kip, [d]etails, [?]"
        );
        let help = help("?", &offers);
        assert!(help.contains("stop the run here") && !help.contains("phase") && !help.contains("undo"), "{help}");
    }

    #[test]
    fn what_now_wants_a_whole_word_and_enter_alone_stops() {
        let way = |choice, word| WayOut { choice, word, meaning: String::new() };
        let ways = [way(Choice::Stop, "stop"), way(Choice::Continue, "continue"), way(Choice::Rollback, "roll back")];
        assert_eq!(way_out("", &ways), Reply::Answer(Choice::Stop));
        assert_eq!(way_out("Roll  Back", &ways), Reply::Answer(Choice::Rollback));
        assert_eq!(way_out("rollback", &ways), Reply::Answer(Choice::Rollback));
        assert_eq!(way_out(" continue", &ways), Reply::Answer(Choice::Continue));
        for line in ["r", "c", "y", "1", "retry", "roll", "\u{1b}[A"] {
            assert!(is_again(&way_out(line, &ways)), "{line:?}");
        }
    }

    #[test]
    fn a_reason_is_more_than_blanks() {
        assert_eq!(reason("  traffic is fine "), Reply::Answer(Some("traffic is fine".to_owned())));
        assert_eq!(reason("  "), Reply::Answer(None));
    }
}
