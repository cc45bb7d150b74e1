"""Lightning's Trainer: automatic optimization, clipping, warm-up, validation after every epoch."""

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))

    def loss(self, batch, name):
        loss = nn.functional.cross_entropy(self.body(batch[0]), batch[1])
        self.log(name, loss, on_step=name == "train_loss", on_epoch=name != "train_loss")
        return loss

    def training_step(self, batch, batch_idx):
        return self.loss(batch, "train_loss")

    def validation_step(self, batch, batch_idx):
        self.loss(batch, "val_loss")

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=10)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": warmup, "interval": "step"}}


if __name__ == "__main__":
    L.seed_everything(0, verbose=False)
    x = torch.randn(400, 8)
    data = TensorDataset(x, x[:, :3].argmax(1))
    train, held_out = torch.utils.data.random_split(data, [320, 80])
    model, logger = Classifier(), CSVLogger(".", name="log", version="0")
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
    trainer = L.Trainer(max_epochs=3, accelerator="cpu", gradient_clip_val=0.5, logger=logger,
        callbacks=[LearningRateMonitor("step")], **quiet)  # fmt: skip
    trainer.fit(model, DataLoader(train, 32, shuffle=True), DataLoader(held_out, 40))
    torch.save(model.state_dict(), "weights.pt")
