from .analysis import ANALYSES as ANALYSES
from .analysis import analyze as analyze
from .checkpoint import Checkpoint as Checkpoint
from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .decomposition import score_terms as score_terms
from .encoders import DualEncoder as DualEncoder
from .encoders import EncoderConfig as EncoderConfig
from .encoders import preset as preset
from .recording import Recording as Recording
from .recording import load_recording as load_recording
from .recording import record as record
from .report import write_report as write_report
from .result import Provenance as Provenance
from .result import document as document
from .scenes import PAPER as PAPER
from .scenes import Examples as Examples
from .scenes import Scenes as Scenes
from .scenes import Split as Split
from .scenes import World as World
from .store import InputError as InputError
from .training import FitConfig as FitConfig
from .training import Plan as Plan
from .training import fit as fit
from .training import fit_many as fit_many
from .training import train as train

__version__: str
