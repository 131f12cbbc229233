"""Prompt texts of Lumina-DiMOO: one system sentence per task, chosen as its published scripts choose it."""

from __future__ import annotations

TEXT_TO_IMAGE = "text-to-image"
UNCONDITION = "<uncondition>"

# The task names of the published scripts. Any other name is understood by what it contains, like these.
EDIT_TASKS = (
    "edit_add",
    "edit_remove",
    "edit_replace",
    "edit_background",
    "edit_text_transfer",
    "canny_control",
    "hed_control",
    "depth_control",
    "openpose_control",
    "subject_driven",
    "image_ref_transfer",
    "canny_pred",
    "hed_pred",
    "depth_pred",
    "openpose_pred",
    "multi_view_left",
    "multi_view_right",
    "multi_view_back",
)

_GENERATE = "Generate an image according to the text prompt."
_DENSE = "Perform dense prediction on the given images."
_CONTROL = "Generate an image according to the text prompt and the given control image."
_SUBJECT = "Generate an image according to the text prompt and the given object image."
_EDIT = "Generate an image applying the following editing instruction based on the original image."
_STYLE = "Transform the current image into the style of the provided image."
_VIEW = "Generate a view-image based on the given image."
_OTHER = "Generate an image according to the prompt and image."
_MAPS = {
    "canny": "canny edge map",
    "hed": "hed edge map",
    "normal": "normal map",
    "sam2mask": "sam2 mask",
    "depth": "depth map",
    "openpose": "pose estimation map",
}


def task_texts(task: str, text: str) -> tuple[str, str]:
    """System sentence and user text of a task; some tasks replace the user's text with a sentence of their own.

    The order of the tests is part of the model's interface: a name such as `edit_control` is a control task.
    """
    if task == TEXT_TO_IMAGE:
        return _GENERATE, text
    if "dense" in task:
        return _DENSE, f"Generate a {_MAPS.get(task.split('_')[0], 'dense map')} according to the image."
    if "control" in task:
        return _CONTROL, text
    if "subject" in task:
        return _SUBJECT, text
    if "edit" in task:
        return _EDIT, text
    if "ref_transfer" in task:
        return _STYLE, _STYLE
    if "multi_view" in task:
        return _VIEW, f"Generate the {task.split('_')[-1]} view based on the provided front view."
    return _OTHER, text


def reads_text(task: str) -> bool:
    """Whether the user's text is part of the prompt of a task."""
    return task_texts(task, "") != task_texts(task, "text")


def prompt_string(system: str, user: str) -> str:
    """The whole string the tokenizer sees; its parts must not be tokenized one by one."""
    return f"<system>{system}</system><user>{user}</user>"


def conditional_prompt(task: str, text: str) -> str:
    """Prompt string of a task for the user's text."""
    return prompt_string(*task_texts(task, text))


def unconditional_prompt(task: str, text: str = "") -> str:
    """Prompt string of a task without the user's text, or with a negative text in its place."""
    return prompt_string(task_texts(task, "")[0], text.strip() or UNCONDITION)


def reference_count(task: str) -> tuple[int, int]:
    """Fewest and most reference images of a task."""
    if task == TEXT_TO_IMAGE:
        return 0, 0
    return (2, 2) if "ref_transfer" in task else (1, 1)
