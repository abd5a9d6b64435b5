//! The whole program in front of a real Postfix: every module is a sentence about what an operator,
//! a sender or a recipient can rely on.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start the program, Postfix and what else an operator starts"
)]

mod harness;

mod a_30_mb_mail_passes;
mod a_4xx_leaves_it_held;
mod a_mail_that_takes_too_long_is_held_at_the_third_try;
mod a_mail_that_takes_too_much_memory_fails_alone;
mod arrows_between_crates_are_those_of_the_design;
mod audit_names_the_flipped_byte;
mod clean_mail_is_delivered_unchanged_but_for_our_header;
mod commands_in_the_documentation_exist;
mod config_with_three_mistakes_lists_all_three;
mod control_socket_is_for_its_owner_alone;
mod daemon_killed_in_the_middle_loses_nothing;
mod doctor_finds_what_is_dangerous_in_postfix;
mod doctor_tells_whether_postern_can_be_reached;
mod eicar_in_zip_in_zip_is_held;
mod full_disk_answers_452;
mod hostile_text_never_reaches_the_terminal;
mod index_deleted_comes_back_after_restart;
mod no_fault_of_the_milter_loses_a_mail;
mod odd_mails_are_answered;
mod own_headers_of_incoming_mail_are_stripped;
mod pairs_of_verdicts_become_one_answer;
mod poison_is_held_unparsed_at_the_third_try;
mod postfix_and_postern_restart_in_any_order;
mod recipients_of_two_tenants_get_two_verdicts;
mod reject_mode_answers_550_with_our_text;
mod rejected_mail_may_leave_a_copy;
mod release_cut_off_by_a_kill_is_not_repeated_by_itself;
mod released_mail_has_the_stored_bytes;
mod reload_under_load_fails_no_mail;
mod replies_of_a_milter_reach_the_sender;
mod rule_with_a_syntax_error_shows_file_line_and_caret;
mod scan_judges_files_without_a_daemon;
mod second_serve_on_the_same_state_is_refused;
mod sendmail_is_served_as_well;
mod service_manager_is_told;
mod sigterm_drains;
mod store_rebuild_gives_the_same_list;
mod the_mail_server_holds_mail_if_told_to;
mod twenty_mails_in_one_smtp_session;
mod unix_socket_milter_serves_postfix;
mod worker_killed_in_the_middle_defers_one_mail;
