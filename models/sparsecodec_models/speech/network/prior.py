"""How likely an event's numbers are, given the event before it: what a number costs in bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST = 1e-6  # probability that any number has, so that none costs without end


class EventPrior(nn.Module):
    """A logistic distribution for each dim, about a share of the number that was heard last (learned, factorised:
    after Ballé et al. 2018, section 6.1, here with a mean that the event before gives).

    The first row of each table is of events that begin by themselves, the second of linked ones.
    """

    RATE = 10.0  # of learning, re the other parameters, whose numbers are smaller

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2, dims))
        self.carry = nn.Parameter(torch.full((2, dims), 0.5 / self.RATE))
        self.log2_scale = nn.Parameter(torch.full((2, dims), 0.5 / self.RATE))

    def bits(
        self, vector: Tensor, begins: Tensor, heard: Tensor, step: Tensor | float, part: Tensor | None = None
    ) -> Tensor:
        """float32 [n, dims]: bits of vectors [n, dims], one channel in order of time, in intervals `step` wide; 0 where
        a number is not heard (bool [n, dims]). begins: bool [n]. part: int64 [n], which of several streams, one after
        the other, an event is in; None: all are of one."""
        order = torch.arange(len(vector), device=vector.device)[:, None]
        last = torch.where(heard, order, -1).cummax(0).values  # row of the number heard last, this one's included
        last = torch.cat([last.new_full((1, vector.shape[1]), -1), last[:-1]])
        has_last = last >= 0
        if part is not None:
            has_last = has_last & (part[last.clamp_min(0)] == part[:, None])
        before = torch.where(has_last, vector.gather(0, last.clamp_min(0)), 0.0)
        kind = (~begins).long()
        mean = self.RATE * (self.mean[kind] + self.carry[kind] * before)
        scale = torch.exp2(self.RATE * self.log2_scale[kind])
        inside = torch.sigmoid((vector - mean + step / 2) / scale) - torch.sigmoid((vector - mean - step / 2) / scale)
        return torch.where(heard, -torch.log2(inside.clamp_min(LEAST)), 0.0)
