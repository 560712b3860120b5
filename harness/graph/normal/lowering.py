"""If, Case and While, made of the ops that TensorFlow's own lowering makes of them.

Sources: tensorflow/core/common_runtime/lower_if_op.cc, lower_case_op.cc and lower_while_op.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tensorflow.core.framework import types_pb2

from harness.errors import BrokenModel
from harness.graph.normal.operations import Operation, Place, become_results
from harness.graph.reading.op_arguments import attribute

if TYPE_CHECKING:
    from harness.graph.normal.opening import Opening
    from harness.graph.normal.scope import Scope

CHOICES = {
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "Case": ("branches",),
    "StatelessCase": ("branches",),
}
LOOPS = frozenset({"While", "StatelessWhile"})
PARTS = ("cond", "body")


def lower_choice(
    opening: Opening,
    operation: Operation,
    scope: Scope,
    inputs: Sequence[Place],
    waits: Sequence[Operation],
) -> None:
    """Make Switches before the branches and Merges behind them.

    The results of a branch go into a Merge in the order of the branches: of an If, that of the
    then branch first.
    """
    node, name = operation.node, operation.name
    if not inputs:
        raise BrokenModel(f"{name} reads nothing to choose a branch by")
    chooser, *arguments = inputs
    is_case = "Case" in node.op
    if not is_case and attribute(node, "Tcond").type != types_pb2.DT_BOOL:
        chooser = (opening.made(f"{name}/chosen", "ToBool", [chooser], node=node), 0)
    switch = "_SwitchN" if is_case else "Switch"
    pivot = opening.made(f"{name}/switch_pred", switch, [chooser, chooser], waits, node=node)
    switches = [
        opening.made(f"{name}/switch_{index}", switch, [argument, chooser], node=node)
        for index, argument in enumerate(arguments)
    ]
    called = opening.called(node)
    found = []
    all_effects: list[Operation] = []
    for index, function in enumerate(called):
        side = index if is_case else 1 - index
        entry = opening.made(f"{name}/branch_{index}/entry", "Identity", [(pivot, side)])
        body, results = opening.body(
            function,
            prefix=f"{name}/branch_{index}/",
            arguments=[(each, side) for each in switches],
            above=scope.above,
            entry=entry,
        )
        all_effects.extend(opening.effects(body))
        found.append(results)
        if len(results) != len(found[0]):
            raise BrokenModel(
                f"{name} chooses between {called[0].name}, which gives {len(found[0])} result(s), "
                f"and {function.name}, which gives {len(results)}"
            )
    merges: list[Place] = [
        (opening.made(f"{name}/merge_{index}", "Merge", list(results)), 0)
        for index, results in enumerate(zip(*found, strict=True))
    ]
    sides = [(pivot, side) for side in range(len(called))]
    executed = opening.made(f"{name}/branch_executed", "Merge", sides, all_effects)
    become_results(operation, merges, [*waits, executed])


def lower_loop(
    opening: Opening,
    operation: Operation,
    scope: Scope,
    inputs: Sequence[Place],
    waits: Sequence[Operation],
) -> None:
    """Make an Enter, Merge, Switch, NextIteration and Exit of each variable of the loop."""
    node, name = operation.node, operation.name
    condition, body = opening.called(node)
    begin = opening.made(f"{name}/begin", "NoOp", (), [*waits, *(place[0] for place in inputs)])
    merges = []
    for index, value in enumerate(inputs):
        enter = opening.made(f"{name}/enter_{index}", "Enter", [value], [begin])
        merges.append(opening.made(f"{name}/merge_{index}", "Merge", [(enter, 0)]))
    test_entry = opening.made(f"{name}/cond/entry", "NoOp", (), merges)
    test_scope, tests = opening.body(
        condition,
        prefix=f"{name}/cond/",
        arguments=[(merge, 0) for merge in merges],
        above=scope.above,
        entry=test_entry,
    )
    if len(tests) != 1:
        raise BrokenModel(
            f"{name} asks {condition.name} whether to go on, which gives {len(tests)} results "
            "rather than one"
        )
    (test,) = tests
    result = opening.functions[condition.name].signature.output_arg[0]
    if result.type != types_pb2.DT_BOOL:
        test = (opening.made(f"{name}/cond/chosen", "ToBool", [test], node=node), 0)
    test_effects = opening.effects(test_scope)
    goes_on = opening.made(f"{name}/LoopCond", "LoopCond", [test], test_effects)
    switches = [
        opening.made(f"{name}/switch_{index}", "Switch", [(merge, 0), (goes_on, 0)])
        for index, merge in enumerate(merges)
    ]
    pivots = [
        opening.made(f"{name}/body/{index}", "Identity", [(switch, 1)])
        for index, switch in enumerate(switches)
    ]
    body_entry = opening.made(f"{name}/body/entry", "NoOp", (), pivots)
    body_scope, results = opening.body(
        body,
        prefix=f"{name}/body/",
        arguments=[(switch, 1) for switch in switches],
        above=scope.above,
        entry=body_entry,
    )
    if len(results) != len(merges):
        raise BrokenModel(
            f"{name} has {len(merges)} variable(s), and {body.name}, its body, gives "
            f"{len(results)} result(s)"
        )
    effects = opening.effects(body_scope)
    for index, (merge, again) in enumerate(zip(merges, results, strict=True)):
        onward = opening.made(f"{name}/next_{index}", "NextIteration", [again], effects)
        merge.inputs = [*merge.inputs, (onward, 0)]
    exits = [
        opening.made(f"{name}/exit_{index}", "Exit", [(switch, 0)])
        for index, switch in enumerate(switches)
    ]
    become_results(operation, [(each, 0) for each in exits], exits)
