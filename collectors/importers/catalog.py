"""Every importer, and the one that a file or folder belongs to."""

from __future__ import annotations

from functools import cache

from traindoctor.errors import UsageError
from traindoctor.plugins import load_plugins

from ..intake.folder import Folder
from ..intake.importer import FileImporter, FolderImporter, Importer
from ..intake.source import Source
from .aim_repository import AimRepository
from .algoperf import AlgoPerf
from .allennlp_console import AllenNlpConsole
from .allennlp_folder import AllenNlp
from .bearpaw import Bearpaw
from .detectron2_json import Detectron2Json
from .detectron2_text import Detectron2Text
from .dvclive_folder import DvcLive
from .epoch_json_lines import EpochJsonLines
from .espnet import EspNet
from .fairseq import Fairseq
from .flair_tsv import FlairTsv
from .free_text import FreeText
from .generic_table import GenericTable
from .hf_console import HuggingFaceConsole
from .hf_trainer import HuggingFaceTrainer
from .joeynmt import JoeyNmt
from .keras_console import KerasConsole
from .keras_history import KerasHistory
from .lightning_csv import LightningCsv
from .llamafactory import LlamaFactory
from .megatron import Megatron
from .mlflow_store import MlflowStore
from .mlperf import MlPerf
from .nanogpt import NanoGpt
from .nnunet import NnUnet
from .openmmlab_json import OpenMMLabJson
from .openmmlab_text import OpenMmLabText
from .optuna_study import OptunaStudy
from .progress_csv import ProgressCsv
from .sacred_run import SacredRun
from .skorch_history import SkorchHistory
from .stylegan_stats import StyleGanStats
from .tensorboard_csv import TensorBoardDownload
from .tensorboard_events import TensorBoardEvents
from .timm_csv import TimmCsv
from .ultralytics_csv import UltralyticsCsv
from .wandb_csv import WeightsAndBiasesCsv
from .wandb_run import WeightsAndBiases
from .worded_text import WORDED
from .yolo_txt import YoloTxt

IMPORTERS: tuple[Importer, ...] = (
    # A: binary formats and trackers
    TensorBoardEvents(),
    WeightsAndBiases(),
    WeightsAndBiasesCsv(),
    TensorBoardDownload(),
    MlflowStore(),
    DvcLive(),
    SacredRun(),
    AllenNlp(),
    StyleGanStats(),
    OptunaStudy(),
    AimRepository(),
    # B: tables and JSON
    HuggingFaceTrainer(),
    LlamaFactory(),
    LightningCsv(),
    UltralyticsCsv(),
    YoloTxt(),
    OpenMMLabJson(),
    Detectron2Json(),
    AlgoPerf(),
    TimmCsv(),
    EpochJsonLines(),
    Bearpaw(),
    FlairTsv(),
    ProgressCsv(),
    SkorchHistory(),
    KerasHistory(),
    GenericTable(),
    # C: text
    MlPerf(),
    NanoGpt(),
    Megatron(),
    Fairseq(),
    JoeyNmt(),
    NnUnet(),
    Detectron2Text(),
    OpenMmLabText(),
    EspNet(),
    KerasConsole(),
    HuggingFaceConsole(),
    AllenNlpConsole(),
    *WORDED,
    FreeText(),
)
"""The built-in importers; of two that are equally sure, the earlier one wins."""


@cache
def all_importers() -> tuple[tuple[Importer, ...], list[str]]:
    """The built-in importers and those of plugins, and a sentence for each broken plugin."""
    loaded, broken = load_plugins("traindoctor.importers")
    strangers: list[Importer] = []
    notes = list(broken.values())
    for name, plugin in loaded.items():
        made = plugin() if isinstance(plugin, type) else plugin
        if isinstance(made, (FileImporter, FolderImporter)):
            strangers.append(made)
        else:
            notes.append(
                f"plugin {name!r} is left out: expected an importer with slug, name, recognises and read, "
                f"found {type(made).__name__}"
            )
    return (*IMPORTERS, *strangers), notes


def chosen(slug: str) -> Importer:
    """The importer of that slug.

    Raises:
        UsageError: there is none; the message lists them.
    """
    importers, _ = all_importers()
    for importer in importers:
        if importer.slug == slug:
            return importer
    known = ", ".join(sorted(importer.slug for importer in importers))
    raise UsageError(f"expected one of the formats {known}; found {slug!r}")


def importer_of_file(source: Source) -> tuple[float, FileImporter | None]:
    """Who reads a file, and how sure it is; None when nobody knows it."""
    best: tuple[float, FileImporter | None] = (0.0, None)
    for importer in all_importers()[0]:
        if isinstance(importer, FileImporter):
            sure = importer.recognises(source)
            if sure > best[0]:
                best = sure, importer
    return best if best[1] is not None else _late_starter(source)


def _late_starter(source: Source) -> tuple[float, FileImporter | None]:
    """Who reads a text log that begins with something else; those importers say `starts_late`."""
    late = [i for i in all_importers()[0] if isinstance(i, FileImporter) and getattr(i, "starts_late", False)]
    for window in source.windows():
        sure, importer = max(((i.recognises(window), i) for i in late), key=lambda pair: pair[0])
        if sure > 0.0:
            return sure, importer
    return 0.0, None


def importer_of_folder(folder: Folder) -> tuple[float, FolderImporter | None]:
    """Who reads a folder as a whole, and how sure it is; None when its files stand for themselves."""
    best: tuple[float, FolderImporter | None] = (0.0, None)
    for importer in all_importers()[0]:
        if isinstance(importer, FolderImporter):
            sure = importer.recognises_folder(folder)
            if sure > best[0]:
                best = sure, importer
    return best
