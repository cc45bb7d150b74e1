"""The colours of every chart, told apart by colour-blind readers too, at least 3:1 on white and on dark."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
