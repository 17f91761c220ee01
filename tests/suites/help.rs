//! Every command explains itself: its help has an example.

use std::process::Command;

use doorward_tests::gateway::{Ran, agent, doorward};

/// The names under `Commands:` in a help text, without `help` itself.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Walks through the commands of a program. Returns how many there are, and those without an
/// example.
fn walk(program: fn() -> Command, name: &str) -> (usize, Vec<String>) {
    let (mut count, mut missing) = (0, Vec::new());
    let mut left = vec![Vec::new()];
    while let Some(path) = left.pop() {
        let help = Ran::of(program().args(&path).arg("--help").output().unwrap()).ok();
        count += 1;
        if !help.contains("Example") {
            missing.push(format!("{name} {}", path.join(" ")));
        }
        left.extend(commands(&help).into_iter().map(|next| [path.clone(), vec![next]].concat()));
    }
    (count, missing)
}

#[test]
fn every_command_has_an_example() {
    let (agents, mut missing) = walk(agent, "doorward-agent");
    let (all, more) = walk(doorward, "doorward");
    missing.extend(more);
    assert!(agents >= 8 && all > agents + 30, "{agents} and {all} commands");
    assert!(missing.is_empty(), "without an example: {missing:#?}");
}

#[test]
fn both_programs_say_what_the_other_one_is() {
    for mut command in [agent(), doorward()] {
        if command.get_program().to_string_lossy().ends_with("doorward") {
            command.arg("agent");
        }
        let help = Ran::of(command.arg("--help").output().unwrap()).ok();
        for line in ["doorward-agent COMMAND  is ", "doorward agent COMMAND  is "] {
            assert!(help.contains(line), "{help}");
        }
    }
}

#[test]
fn both_programs_complete_commands_in_a_shell() {
    for mut command in [agent(), doorward()] {
        let script = Ran::of(command.args(["completions", "bash"]).output().unwrap()).ok();
        assert!(script.contains("connect") && script.contains("complete -F"), "{script}");
    }
}
