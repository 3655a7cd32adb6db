//! Interface: what the program still does when it is told to end, by Ctrl-C say: no part of a file is left behind.

/// Has the parts of files removed on Ctrl-C, on a request to end, and when the terminal goes; then ends as the signal asks.
#[cfg(unix)]
pub(super) fn leave_no_parts() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let heeded: Vec<i32> =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)).collect();
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heeded) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            earworm_files::abandon();
            // Ends the process by the signal itself, as a shell's loop wants to see it.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

/// Whether whoever started the program wants this signal ignored, as `nohup` does.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: no action is given, so that nothing changes, and `now` has room for the one in force; all of its fields may
    // be zero where the call fails.
    let now = unsafe {
        libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr());
        now.assume_init()
    };
    now.sa_sigaction == libc::SIG_IGN
}

/// Elsewhere the system ends the program.
#[cfg(not(unix))]
pub(super) fn leave_no_parts() {}
