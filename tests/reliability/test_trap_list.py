"""The thirty traps of recording, each with the tests that catch it, all of which exist."""

import ast
from pathlib import Path

import pytest

HERE = "reliability/test_traps.py"
STEP = "collectors/recorders/test_optimizer_step.py"
PROCESS = "collectors/recorders/test_process.py"
AMP = "collectors/recorders/test_amp.py"
MODEL = "collectors/recorders/test_model.py"
STATISTICS = "collectors/recorders/test_statistics.py"
LOG = "hall/test_runlog.py"
COMPILE = "collectors/recorders/test_compile.py"
SETUPS = "reliability/test_setups.py"
FRAMEWORKS = "frameworks/test_zero_code.py"

TRAPS = {
    1: ("flush-to-zero by a library", f"{HERE}::test_subnormal_numbers_stay_and_no_library_is_shipped"),
    2: (
        "closures: stale gradients",
        f"{STEP}::test_closures_give_the_first_loss_and_the_last_gradients",
        f"{FRAMEWORKS}::test_losses_and_rates_are_those_of_the_framework",
    ),
    3: ("fused and GradScaler", f"{AMP}::test_scaled_training"),
    4: (
        "compiled optimizer.step",
        f"{HERE}::test_compiled_code_has_no_more_graphs_or_breaks_than_without_us",
        f"{COMPILE}::test_compiled_training_is_recorded_and_unchanged",
    ),
    5: ("threads on one line of code", f"{HERE}::test_threads_on_one_line_of_code_do_not_crash"),
    6: ("a step that raises", f"{STEP}::test_a_step_that_raised_does_not_swallow_the_next_ones"),
    7: (
        "super().step(), SAM",
        f"{STEP}::test_super_step_counts_once",
        f"{STEP}::test_an_optimizer_around_another_counts_once",
        f"{SETUPS}::test_sharpness_aware_steps_in_two_calls",
    ),
    8: ("scheduler after attaching", f"{STEP}::test_scheduler_made_after_attaching_works"),
    9: ("get_total_norm under its alias", f"{STEP}::test_functions_of_torch_imported_by_name_are_seen"),
    10: ("lazy objects asked for __class__", f"{HERE}::test_lazy_objects_are_not_asked_what_they_are"),
    11: ("uncoalesced sparse gradients", f"{STEP}::test_sparse_gradients_are_coalesced"),
    12: ("losses of a GAN", f"{STEP}::test_each_optimizer_gets_its_own_losses"),
    13: ("slow norms on a CPU", f"{HERE}::test_no_slow_operator_runs_on_a_cpu"),
    14: ("variance in one pass", f"{STATISTICS}::test_standard_deviation_of_weights_near_one"),
    15: ("sampling by a stride", f"{HERE}::test_one_hot_column_is_measured_exactly"),
    16: (
        "loader ends early under prefetch",
        f"{HERE}::test_a_loader_that_is_read_ahead",
        f"{FRAMEWORKS}::test_epochs_batches_names_and_scheduler",
    ),
    17: ("mmap on a full disk", "reliability/test_disk.py::test_a_full_file_system_that_is_freed"),
    18: ("logs without checksums", f"{LOG}::test_every_flipped_bit_costs_at_most_the_frame_it_is_in"),
    19: ("forked children", f"{PROCESS}::test_children_that_train_have_their_own_log_and_idle_ones_none"),
    20: ("global forward hooks", f"{STEP}::test_nothing_is_put_on_the_model_and_nothing_keeps_it_alive"),
    21: ("temporary ctypes arrays", f"{HERE}::test_subnormal_numbers_stay_and_no_library_is_shipped"),
    22: ("outputs of CUDA graphs", f"{HERE}::test_cuda_graphs"),
    23: ("losses changed after backward", f"{STEP}::test_losses_rates_and_norms_are_those_of_the_script"),
    24: ("a collective on one rank", f"{HERE}::test_a_recorder_on_one_rank_only_hangs_nobody"),
    25: (
        "the LR that was used",
        f"{HERE}::test_the_first_rate_of_a_warm_up_is_zero",
        f"{FRAMEWORKS}::test_the_first_rate_is_the_one_that_was_used",
    ),
    26: ("costs of code that is hot", f"{HERE}::test_the_benchmark_measures_inside_a_real_training"),
    27: ("swapped groups", f"{MODEL}::test_groups_that_are_swapped_do_not_cost_a_search_each_time"),
    28: (
        "clip norm off by one",
        f"{HERE}::test_clipping_inside_a_closure",
        f"{FRAMEWORKS}::test_the_norm_before_clipping_is_of_the_same_step",
    ),
    29: ("SIGTERM runs no atexit", f"{PROCESS}::test_sigterm_ends_it_as_ever"),
    30: (
        "torch.func, updates by hand",
        f"{SETUPS}::test_torch_func_ends_with_a_clear_message",
        f"{PROCESS}::test_updates_by_hand_are_named",
    ),
}


def test_all_thirty_are_here():
    assert sorted(TRAPS) == list(range(1, 31))
    assert all(tests for _, *tests in TRAPS.values())


@pytest.mark.parametrize("test", sorted({test for _, *tests in TRAPS.values() for test in tests}))
def test_each_trap_has_its_test(test):
    path, name = test.split("::")
    tree = ast.parse((Path(__file__).parent.parent / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
