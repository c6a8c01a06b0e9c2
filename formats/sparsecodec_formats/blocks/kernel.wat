;; Codec 1 as one module: all numbers of a block, read or written. docs/format.md describes every function here, and
;; `block.py` is the same in Python. Whole numbers alone decide, so every machine gets the same bits.
;;
;; Before the module is assembled, kernel.py fills in what stands in braces: a name in capitals is a constant in digits.
;; record.field is a field's value; with [$row] behind it, a number of the column or list that it is or leads to; with &
;; before it, the address. The record `block` begins the memory; others lie where a local of their name points.
;;
;; Nothing here traps: what must not be sets $problem, and each loop over events ends when it is set. Until then all is
;; done with numbers within their ranges.
(module
  (memory (export "memory") 1)

  ;; ---- The range coder. {block.reads} tells the direction.

  (global $problem (mut i32) (i32.const 0))
  (global $span (mut i64) (i64.const 0))
  (global $ahead (mut i64) (i64.const 0))         ;; where data are read: bytes ahead, from the start of the interval
  (global $low (mut i64) (i64.const 0))           ;; where they are written: the start of the interval
  (global $word (mut i32) (i32.const 0))          ;; address of the next word of four bytes
  (global $likelihood (mut f64) (f64.const 1))    ;; of the symbols of this part, times 2^$octaves
  (global $octaves (mut f64) (f64.const 0))
  (global $part (mut i32) (i32.const 0))          ;; address in block.parts

  (func $start
    (global.set $problem (i32.const 0))
    (global.set $span (i64.const -1))             ;; 2^64 - 1
    (global.set $low (i64.const 0))
    (global.set $word {block.words})
    (if {block.reads} (then
      (global.set $ahead (i64.shl (call $next_word) (i64.const 32)))
      (global.set $ahead (i64.or (global.get $ahead) (call $next_word)))))
    (global.set $part {&block.parts}))

  ;; Four bytes more; zeros follow the data without end.
  (func $next_word (result i64)
    (if (i32.ge_u (global.get $word) {block.words_end}) (then (return (i64.const 0))))
    (i64.load32_u (global.get $word))
    (global.set $word (i32.add (global.get $word) (i32.const 4))))

  ;; Writes four bytes; those that find no room are left out, which block.words_end then tells.
  (func $put_word (param $value i64)
    (if (i32.lt_u (global.get $word) {block.words_end}) (then
      (i64.store32 (global.get $word) (local.get $value))))
    (if (i32.le_u (global.get $word) {block.words_end}) (then
      (global.set $word (i32.add (global.get $word) (i32.const 4))))))

  ;; Adds 1 to the number that the words so far are.
  (func $carry
    (local $at i32) (local $sum i32)
    (local.set $at (global.get $word))
    (loop $before
      (local.set $at (i32.sub (local.get $at) (i32.const 4)))
      (if (i32.lt_u (local.get $at) {block.words}) (then (return)))
      (local.set $sum (i32.add (i32.load (local.get $at)) (i32.const 1)))
      (i32.store (local.get $at) (local.get $sum))
      (br_if $before (i32.eqz (local.get $sum)))))

  ;; Where the data lie in the interval, 0 … 2^24 - 1.
  (func $place (result i32)
    (local $place i64)
    (local.set $place (i64.div_u (global.get $ahead) (i64.shr_u (global.get $span) (i64.const {TOTAL_BITS}))))
    (if (i64.ge_u (local.get $place) (i64.const {TOTAL})) (then
      (global.set $problem (i32.const {DAMAGED}))
      (return (i32.const 0))))
    (i32.wrap_i64 (local.get $place)))

  ;; The interval becomes the part of it that a symbol has; both of 2^24.
  (func $narrow (param $begin i32) (param $frequency i32)
    (local $unit i64) (local $skipped i64)
    (global.set $likelihood (f64.mul
      (f64.mul (global.get $likelihood) (f64.const 0x1p-24))
      (f64.convert_i32_u (local.get $frequency))))
    (if (f64.lt (global.get $likelihood) (f64.const 0x1p-512)) (then
      (global.set $likelihood (f64.mul (global.get $likelihood) (f64.const 0x1p512)))
      (global.set $octaves (f64.add (global.get $octaves) (f64.const 512)))))
    (local.set $unit (i64.shr_u (global.get $span) (i64.const {TOTAL_BITS})))
    (local.set $skipped (i64.mul (local.get $unit) (i64.extend_i32_u (local.get $begin))))
    (global.set $span (i64.mul (local.get $unit) (i64.extend_i32_u (local.get $frequency))))
    (if {block.reads}
      (then (global.set $ahead (i64.sub (global.get $ahead) (local.get $skipped))))
      (else
        (global.set $low (i64.add (global.get $low) (local.get $skipped)))
        (if (i64.lt_u (global.get $low) (local.get $skipped)) (then (call $carry)))))
    (if (i64.lt_u (global.get $span) (i64.const 0x100000000)) (then
      (global.set $span (i64.shl (global.get $span) (i64.const 32)))
      (if {block.reads}
        (then (global.set $ahead (i64.or (i64.shl (global.get $ahead) (i64.const 32)) (call $next_word))))
        (else
          (call $put_word (i64.shr_u (global.get $low) (i64.const 32)))
          (global.set $low (i64.shl (global.get $low) (i64.const 32))))))))

  ;; Ends a part of the block, whose symbols are then counted.
  (func $end_part
    (f64.store (global.get $part) (global.get $likelihood))
    (f64.store offset=8 (global.get $part) (global.get $octaves))
    (global.set $part (i32.add (global.get $part) (i32.const 16)))
    (global.set $likelihood (f64.const 1))
    (global.set $octaves (f64.const 0)))

  ;; A symbol of a table. A table in memory: how many symbols, then where each begins, then 2^24.
  ;; As everywhere below: where data are read, what is given is of no account, and what was read comes back.
  (func $symbol (param $table i32) (param $symbol i32) (result i32)
    (local $begin i32)
    (if {block.reads} (then (local.set $symbol (call $found (local.get $table) (call $place)))))
    (local.set $table (call $at (local.get $table) (local.get $symbol)))
    (local.set $begin (i32.load offset=4 (local.get $table)))
    (call $narrow (local.get $begin) (i32.sub (i32.load offset=8 (local.get $table)) (local.get $begin)))
    (local.get $symbol))

  ;; The last symbol of a table that begins at a place or before.
  (func $found (param $table i32) (param $place i32) (result i32)
    (local $symbol i32) (local $beyond i32) (local $middle i32) (local $is_before i32)
    (local.set $beyond (i32.load (local.get $table)))
    (loop $halve
      (local.set $middle (i32.shr_u (i32.add (local.get $symbol) (local.get $beyond)) (i32.const 1)))
      (local.set $is_before (i32.le_u
        (i32.load offset=4 (call $at (local.get $table) (local.get $middle)))
        (local.get $place)))
      (local.set $symbol (select (local.get $middle) (local.get $symbol) (local.get $is_before)))
      (local.set $beyond (select (local.get $beyond) (local.get $middle) (local.get $is_before)))
      (br_if $halve (i32.gt_u (i32.sub (local.get $beyond) (local.get $symbol)) (i32.const 1))))
    (local.get $symbol))

  ;; Address of a place in a column of numbers of four bytes.
  (func $at (param $column i32) (param $row i32) (result i32)
    (i32.add (local.get $column) (i32.shl (local.get $row) (i32.const 2))))

  ;; ---- Kinds of numbers.

  ;; A number of so many bits, each as likely as the other; eight at a time, lowest first.
  (func $uniform (param $bits i32) (param $value i64) (result i64)
    (local $at i32) (local $width i32) (local $size i32) (local $symbol i32) (local $out i64)
    (block $done (loop $eight
      (br_if $done (i32.ge_u (local.get $at) (local.get $bits)))
      (local.set $width (i32.sub (local.get $bits) (local.get $at)))
      (if (i32.gt_u (local.get $width) (i32.const 8)) (then (local.set $width (i32.const 8))))
      (local.set $size (i32.sub (i32.const {TOTAL_BITS}) (local.get $width)))    ;; log2 of each symbol's frequency
      (if {block.reads}
        (then (local.set $symbol (i32.shr_u (call $place) (local.get $size))))
        (else (local.set $symbol (i32.and
          (i32.wrap_i64 (i64.shr_u (local.get $value) (i64.extend_i32_u (local.get $at))))
          (i32.sub (i32.shl (i32.const 1) (local.get $width)) (i32.const 1))))))
      (call $narrow
        (i32.shl (local.get $symbol) (local.get $size))
        (i32.shl (i32.const 1) (local.get $size)))
      (local.set $out (i64.or (local.get $out)
        (i64.shl (i64.extend_i32_u (local.get $symbol)) (i64.extend_i32_u (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br $eight)))
    (local.get $out))

  ;; A number from 0 on, small ones in few bits: how many bits value + 1 has after its highest, then these.
  (func $golomb (param $value i64) (result i64)
    (local $bits i32) (local $more i64)
    (local.set $more (i64.add (local.get $value) (i64.const 1)))
    (local.set $bits (call $symbol
      {&block.lengths}
      (i32.wrap_i64 (i64.sub (i64.const 63) (i64.clz (local.get $more))))))
    (i64.sub
      (i64.or
        (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $bits)))
        (call $uniform (local.get $bits) (local.get $more)))
      (i64.const 1)))

  ;; 0 or 1; the probability of 1 is the logistic function of logit / 4.
  (func $bit (param $logit i32) (param $value i32) (result i32)
    (local $likely i64)
    (local.set $likely (call $likely (local.get $logit)))
    (i64.store {&block.shares} (i64.sub (i64.const {TOTAL}) (local.get $likely)))
    (i64.store offset=8 {&block.shares} (local.get $likely))
    (call $make_table {&block.two} (i32.const 2))
    (call $symbol {&block.two} (local.get $value)))

  (func $likely (param $logit i32) (result i64)
    (i64.extend_i32_s (call $logistic (i32.shl (local.get $logit) (i32.const 8)))))

  ;; 2^24 / (1 + e^-x), x in units of 1/1024, on lines between the points of a table.
  (func $logistic (param $x i32) (result i32)
    (local $away i32) (local $point i32) (local $next i32) (local $tail i32)
    (local.set $away (select
      (i32.sub (i32.const 0) (local.get $x)) (local.get $x)
      (i32.lt_s (local.get $x) (i32.const 0))))
    (if (i32.gt_s (local.get $away) (i32.const {LOGISTIC_END})) (then
      (local.set $away (i32.const {LOGISTIC_END}))))
    (local.set $point (i32.shr_u (local.get $away) (i32.const 4)))
    (local.set $next (i32.add (local.get $point) (i32.const 1)))
    (local.set $tail (i32.sub
      {block.logistic[$point]}
      (i32.shr_u
        (i32.mul
          (i32.sub {block.logistic[$point]} {block.logistic[$next]})
          (i32.and (local.get $away) (i32.const 15)))
        (i32.const 4))))
    (select
      (local.get $tail) (i32.sub (i32.const {TOTAL}) (local.get $tail))
      (i32.lt_s (local.get $x) (i32.const 0))))

  ;; The table of so many block.shares: none below 256, and what rounding left goes to the first of the likeliest.
  (func $make_table (param $table i32) (param $symbols i32)
    (local $i i32) (local $share i64) (local $sum i64) (local $room i64) (local $frequency i32)
    (local $most i64) (local $likeliest i32) (local $left i32)
    (local.set $most (i64.const -1))
    (loop $each
      (local.set $share {block.shares[$i]})
      (local.set $sum (i64.add (local.get $sum) (local.get $share)))
      (if (i64.gt_s (local.get $share) (local.get $most)) (then
        (local.set $most (local.get $share))
        (local.set $likeliest (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (local.get $symbols))))
    (local.set $left (i32.sub (i32.const {TOTAL}) (i32.shl (local.get $symbols) (i32.const 8))))
    (local.set $room (i64.extend_i32_u (local.get $left)))
    ;; frequencies first, at the place after their own
    (local.set $i (i32.const 0))
    (loop $each
      (local.set $frequency (i32.wrap_i64
        (i64.div_u (i64.mul {block.shares[$i]} (local.get $room)) (local.get $sum))))
      (local.set $left (i32.sub (local.get $left) (local.get $frequency)))
      (i32.store offset=8 (call $at (local.get $table) (local.get $i)) (i32.add (local.get $frequency) (i32.const 256)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (local.get $symbols))))
    (local.set $i (call $at (local.get $table) (local.get $likeliest)))
    (i32.store offset=8 (local.get $i) (i32.add (i32.load offset=8 (local.get $i)) (local.get $left)))
    ;; then their sums
    (i32.store (local.get $table) (local.get $symbols))
    (i32.store offset=4 (local.get $table) (i32.const 0))
    (local.set $i (i32.const 0))
    (loop $each
      (local.set $table (i32.add (local.get $table) (i32.const 4)))
      (i32.store offset=4
        (local.get $table)
        (i32.add (i32.load (local.get $table)) (i32.load offset=4 (local.get $table))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (local.get $symbols)))))

  ;; How many steps from the mean a number may be before it is an escape.
  (func $reach (param $scale i32) (result i32)
    (local $eighth i32)
    (local.set $eighth (i32.and (local.get $scale) (i32.const 7)))
    (i32.add (i32.const 2) (i32.shr_u
      (i32.shl {block.eighths[$eighth]} (i32.const 4))
      (i32.sub (i32.const 15) (i32.shr_s (local.get $scale) (i32.const 3))))))

  ;; The table of a number about a mean. Symbols 0 … 2 reach: so many steps from the mean, plus reach; then above,
  ;; below, and the spike where it lies beyond reach. part: 0 … 15; the mean is (part - 8) / 16 steps from a whole one.
  ;; spike: steps from there, at most one beyond reach; NOWHERE: there is none.
  ;; Tables are kept in block.tables, each at a place that its key tells, until another key needs that place.
  (func $spread (param $scale i32) (param $part i32) (param $spike i32) (param $weight i32) (result i32)
    (local $key i32) (local $slot i32)
    (local.set $key (i32.add (local.get $scale) (i32.const 33)))    ;; from 1 on: memory begins as zeros
    (local.set $key (i32.or (i32.shl (local.get $key) (i32.const 4)) (local.get $part)))
    (local.set $key (i32.or (i32.shl (local.get $key) (i32.const 7)) (i32.add (local.get $spike) (i32.const 63))))
    (local.set $key (i32.or (i32.shl (local.get $key) (i32.const 7)) (i32.add (local.get $weight) (i32.const 64))))
    (local.set $slot (i32.add {block.tables} (i32.shl
      (i32.shr_u (i32.mul (local.get $key) (i32.const 0x9e3779b1)) (i32.const {SLOT_SHIFT}))
      (i32.const 9))))
    (if (i32.ne (i32.load (local.get $slot)) (local.get $key)) (then
      (call $make_spread
        (i32.add (local.get $slot) (i32.const 4))
        (local.get $scale) (local.get $part) (local.get $spike) (local.get $weight))
      (i32.store (local.get $slot) (local.get $key))))
    (i32.add (local.get $slot) (i32.const 4)))

  (func $make_spread
    (param $table i32) (param $scale i32) (param $part i32) (param $spike i32) (param $weight i32)
    (local $reach i32) (local $symbols i32) (local $j i32) (local $i i32) (local $below i32) (local $now i32)
    (local $before i32) (local $likely i64) (local $rest i64)
    (local.set $reach (call $reach (local.get $scale)))
    (local.set $symbols (i32.add (i32.shl (local.get $reach) (i32.const 1)) (i32.const 3)))
    (local.set $j (i32.sub (i32.const 0) (local.get $reach)))
    (local.set $below (call $up_to (local.get $j) (local.get $scale) (local.get $part)))
    (local.set $now (local.get $below))
    (loop $each
      (local.set $before (local.get $now))
      (local.set $j (i32.add (local.get $j) (i32.const 1)))
      (local.set $now (call $up_to (local.get $j) (local.get $scale) (local.get $part)))
      (i64.store
        {&block.shares[$i]}
        (i64.extend_i32_s (i32.sub (local.get $now) (local.get $before))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.le_s (local.get $j) (local.get $reach))))
    (i64.store
      {&block.shares[$i]}
      (i64.extend_i32_s (i32.sub (i32.const {TOTAL}) (local.get $now))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (i64.store
      {&block.shares[$i]}
      (i64.extend_i32_s (local.get $below)))
    (if (i32.ne (local.get $spike) (i32.const {NOWHERE})) (then
      (local.set $likely (call $likely (local.get $weight)))
      (local.set $rest (i64.sub (i64.const {TOTAL}) (local.get $likely)))
      (local.set $i (i32.const 0))
      (loop $each
        (i64.store {&block.shares[$i]} (i64.shr_u
          (i64.mul {block.shares[$i]} (local.get $rest))
          (i64.const {TOTAL_BITS})))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $each (i32.lt_u (local.get $i) (local.get $symbols))))
      (local.set $i (i32.add (local.get $spike) (local.get $reach)))
      (if (i32.gt_u (local.get $i) (i32.shl (local.get $reach) (i32.const 1)))    ;; beyond reach, to either side
        (then
          (i64.store {&block.shares[$symbols]} (local.get $likely))
          (local.set $symbols (i32.add (local.get $symbols) (i32.const 1))))
        (else
          (i64.store
            {&block.shares[$i]}
            (i64.add {block.shares[$i]} (local.get $likely)))))))
    (call $make_table (local.get $table) (local.get $symbols)))

  ;; The probability of fewer than j steps, of 2^24.
  (func $up_to (param $j i32) (param $scale i32) (param $part i32) (result i32)
    (local $eighth i32)
    (local.set $eighth (i32.and (local.get $scale) (i32.const 7)))
    (call $logistic (i32.shr_s
      (i32.mul
        (i32.sub
          (i32.mul (i32.sub (i32.shl (local.get $j) (i32.const 1)) (i32.const 1)) (i32.const 8))
          (i32.sub (local.get $part) (i32.const 8)))
        (i32.shl {block.inverse_eighths[$eighth]} (i32.const 6)))
      (i32.add (i32.const 14) (i32.shr_s (local.get $scale) (i32.const 3))))))

  ;; A number about a mean, in 1/16; where $has_spike, the code $spike is likelier, by $weight.
  (func $number
    (param $scale i32) (param $mean i64) (param $value i64)
    (param $has_spike i32) (param $spike i64) (param $weight i32) (result i64)
    (local $low_bits i32) (local $shift i64) (local $low i64) (local $top_bits i64) (local $top i64)
    (local $reach i32) (local $reach_64 i64) (local $middle i64) (local $from i64) (local $at i32) (local $away i64)
    (local $symbol i32)
    (if (i32.gt_s (local.get $scale) (i32.const {MOST_SCALE})) (then
      (if (local.get $has_spike) (then
        (if (call $bit (local.get $weight) (i64.eq (local.get $value) (local.get $spike))) (then
          (return (local.get $spike))))))
      (local.set $has_spike (i32.const 0))
      (local.set $low_bits (i32.shr_u (i32.sub (local.get $scale) (i32.const 16)) (i32.const 3)))
      (local.set $scale (i32.sub (local.get $scale) (i32.shl (local.get $low_bits) (i32.const 3))))
      ;; the lowest bits, and of a very fine step (67 bits) those from 2^56 on, which begin another eight
      (local.set $low (call $uniform
        (select (local.get $low_bits) (i32.const 56) (i32.lt_u (local.get $low_bits) (i32.const 56)))
        (local.get $value)))
      (if (i32.gt_u (local.get $low_bits) (i32.const 56)) (then
        (local.set $top_bits (i64.extend_i32_u (i32.sub (local.get $low_bits) (i32.const 56))))
        (local.set $top (call $uniform
          (i32.wrap_i64 (local.get $top_bits))
          (i64.shr_s (local.get $value) (i64.const 56))))))
      ;; what is above them: (mean - 8 (2^low_bits - 1)) >> low_bits
      (local.set $shift (i64.extend_i32_u
        (select (local.get $low_bits) (i32.const 63) (i32.lt_u (local.get $low_bits) (i32.const 63)))))
      (local.set $value (i64.shr_s (local.get $value) (local.get $shift)))
      (local.set $mean (i64.sub
        (i64.shr_s (i64.add (local.get $mean) (i64.const 8)) (local.get $shift))
        (i64.const 8)))
      (local.set $shift (i64.sub (i64.extend_i32_u (local.get $low_bits)) (local.get $top_bits)))))
    (if (i32.lt_s (local.get $scale) (i32.const {LEAST_SCALE})) (then
      (local.set $scale (i32.const {LEAST_SCALE}))))
    (local.set $reach (call $reach (local.get $scale)))
    (local.set $reach_64 (i64.extend_i32_u (local.get $reach)))
    (local.set $middle (i64.shr_s (i64.add (local.get $mean) (i64.const 8)) (i64.const 4)))
    (local.set $at (i32.const {NOWHERE}))
    (if (local.get $has_spike) (then
      (local.set $from (i64.sub (local.get $spike) (local.get $middle)))
      (if (i64.gt_s (local.get $from) (local.get $reach_64)) (then
        (local.set $from (i64.add (local.get $reach_64) (i64.const 1)))))
      (if (i64.lt_s (local.get $from) (i64.sub (i64.const 0) (local.get $reach_64))) (then
        (local.set $from (i64.sub (i64.const -1) (local.get $reach_64)))))
      (local.set $at (i32.wrap_i64 (local.get $from)))))
    (local.set $away (i64.sub (local.get $value) (local.get $middle)))
    (if (i64.gt_s (local.get $away) (local.get $reach_64))
      (then (local.set $symbol (i32.const 1)))
      (else (if (i64.lt_s (local.get $away) (i64.sub (i64.const 0) (local.get $reach_64)))
        (then (local.set $symbol (i32.const 2))))))
    (if (local.get $symbol)
      (then
        (if (i32.and (local.get $has_spike) (i64.eq (local.get $value) (local.get $spike))) (then
          (local.set $symbol (i32.const 3))))
        (local.set $symbol (i32.add (local.get $symbol) (i32.shl (local.get $reach) (i32.const 1)))))
      (else (local.set $symbol (i32.add (i32.wrap_i64 (local.get $away)) (local.get $reach)))))
    (local.set $symbol (call $symbol
      (call $spread
        (local.get $scale)
        (i32.wrap_i64 (i64.sub
          (i64.add (local.get $mean) (i64.const 8))
          (i64.shl (local.get $middle) (i64.const 4))))
        (local.get $at)
        (select (local.get $weight) (i32.const 0) (local.get $has_spike)))
      (local.get $symbol)))
    (local.set $symbol (i32.sub (local.get $symbol) (i32.shl (local.get $reach) (i32.const 1))))
    (if (i32.eq (local.get $symbol) (i32.const 3)) (then (return (local.get $spike))))
    (if (i32.le_s (local.get $symbol) (i32.const 0))
      (then
        (local.set $value (i64.add
          (local.get $middle)
          (i64.extend_i32_s (i32.add (local.get $symbol) (local.get $reach))))))
      (else
        ;; $away: beyond reach; of what is written, to either side
        (if (i64.lt_s (local.get $away) (i64.const 0)) (then
          (local.set $away (i64.sub (i64.const 0) (local.get $away)))))
        (local.set $away (i64.sub (local.get $away) (i64.add (local.get $reach_64) (i64.const 1))))
        (local.set $away (i64.add
          (i64.add (local.get $reach_64) (i64.const 1))
          (call $golomb (local.get $away))))
        (if (i64.gt_s (local.get $away) (i64.const {FARTHEST})) (then
          (global.set $problem (i32.const {NUMBER_OUT_OF_RANGE}))
          (return (i64.const 0))))
        (local.set $value (select
          (i64.add (local.get $middle) (local.get $away))
          (i64.sub (local.get $middle) (local.get $away))
          (i32.eq (local.get $symbol) (i32.const 1))))))
    (local.set $value (i64.or (i64.shl (local.get $value) (local.get $top_bits)) (local.get $top)))
    (local.set $away (i64.shl (local.get $value) (local.get $shift)))
    (if (i64.ne (i64.shr_s (local.get $away) (local.get $shift)) (local.get $value)) (then    ;; beyond 2^63
      (global.set $problem (i32.const {NUMBER_OUT_OF_RANGE}))))
    (i64.or (local.get $away) (local.get $low)))

  ;; ---- A block, in two halves: between them, kernel.py tells which codes fill the gaps.

  (func (export "code_begins_and_gaps") (result i32)
    (call $start)
    (i32.store {&block.loud} (call $bit (i32.const -12) {block.loud}))
    (call $end_part)
    (call $code_begins)
    (call $end_part)
    (if (i32.eqz (global.get $problem)) (then (call $code_gaps)))
    (call $end_part)
    (global.get $problem))

  (func (export "code_vectors_and_amplitudes") (result i32)
    (local $dim i32) (local $i i32)
    (call $look_back_in_time)
    (local.set $dim {block.dims})
    (loop $each
      (if (i32.eq (local.get $i) {block.nearest_from}) (then (call $look_back_to_the_nearest)))
      (call $code_dim (local.get $dim))
      (call $end_part)
      (local.set $dim (i32.add (local.get $dim) (i32.const {DIM_BYTES})))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.and (i32.lt_u (local.get $i) (i32.const {N_CODED_DIMS})) (i32.eqz (global.get $problem)))))
    (if (i32.and {block.loud} (i32.eqz (global.get $problem))) (then (call $code_amplitudes)))
    (call $end_part)
    (i64.store {&block.low} (global.get $low))
    (i64.store {&block.span} (global.get $span))
    (i32.store {&block.word} (global.get $word))
    (global.get $problem))

  ;; Which events begin by themselves; the first is taken to. {block.begins_dim} tells of that dim's grid.
  (func $code_begins
    (local $dim i32) (local $i i32) (local $context i32) (local $code i64) (local $symbol i32) (local $begins i32)
    (local.set $dim {block.begins_dim})
    (local.set $context (i32.const 2))
    (loop $each
      (local.set $code (i64.load32_s {&dim.codes[$i]}))
      (local.set $symbol (i32.const 2))
      (if (i64.eqz (local.get $code)) (then (local.set $symbol (i32.const 0))))
      (if (i64.eq (local.get $code) (i64.extend_i32_s {block.begins_code})) (then (local.set $symbol (i32.const 1))))
      (local.set $symbol (call $symbol
        (i32.add {&block.begins} (i32.mul (local.get $context) (i32.const {BEGINS_TABLE_BYTES})))
        (local.get $symbol)))
      (if (i32.eq (local.get $symbol) (i32.const 2))
        (then (local.set $code (call $number
          {block.begins_scale} (i64.const 0) (local.get $code) (i32.const 0) (i64.const 0) (i32.const 0))))
        (else (local.set $code (i64.extend_i32_s (i32.mul (local.get $symbol) {block.begins_code})))))
      (local.set $context (i32.gt_s (call $keep (local.get $dim) (local.get $i) (local.get $code)) (i32.const {HALF})))
      (local.set $begins (i32.or (local.get $context) (i32.eqz (local.get $i))))
      (i32.store {&block.is_begin[$i]} (local.get $begins))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.and (i32.lt_u (local.get $i) {block.n}) (i32.eqz (global.get $problem))))))

  ;; Stores a code of an event and what it stands for, which comes back.
  (func $keep (param $dim i32) (param $row i32) (param $code i64) (result i32)
    (local $value i64)
    (if (i64.gt_u (i64.add (local.get $code) (i64.const {MAX_VECTOR_CODE})) (i64.const {TWICE_MAX_VECTOR_CODE})) (then
      (global.set $problem (i32.const {VECTOR_OUT_OF_RANGE}))
      (local.set $code (i64.const 0))))
    (local.set $value (i64.shr_s
      (i64.add
        (i64.shl
          (i64.mul (local.get $code) (i64.extend_i32_s {dim.factor}))
          (i64.extend_i32_u {dim.left}))
        (i64.extend_i32_u {dim.half}))
      (i64.extend_i32_u {dim.right})))
    (local.set $value (call $clipped (local.get $value)))
    (i64.store32 {&dim.codes[$row]} (local.get $code))
    (i64.store32 {&dim.values[$row]} (local.get $value))
    (i32.wrap_i64 (local.get $value)))

  (func $clipped (param $value i64) (result i64)
    (if (i64.gt_s (local.get $value) (i64.const {MAX_VALUE})) (then (return (i64.const {MAX_VALUE}))))
    (if (i64.lt_s (local.get $value) (i64.const -{MAX_VALUE})) (then (return (i64.const -{MAX_VALUE}))))
    (local.get $value))

  ;; Time units since the event before; the first has none.
  (func $code_gaps
    (local $i i32) (local $low_bits i32) (local $low_shift i64) (local $tables i32) (local $table i32)
    (local $context i32) (local $given i64) (local $coarse i64) (local $most i64) (local $gap i64) (local $time i64)
    (local.set $low_bits (i32.wrap_i64 (call $uniform (i32.const 2) (i64.extend_i32_u {block.zeros_below}))))
    (if (i32.gt_u (local.get $low_bits) (i32.const 2)) (then (local.set $low_bits (i32.const 2))))
    (local.set $low_shift (i64.extend_i32_u (local.get $low_bits)))
    (local.set $low_bits (i32.sub (i32.const 2) (local.get $low_bits)))
    (local.set $tables (i32.add {block.gap_tables} (i32.mul
      (i32.wrap_i64 (call $uniform (i32.const 2) (i64.extend_i32_u {block.density})))
      (i32.shl {block.gap_table_bytes} (i32.const 2)))))
    (local.set $time {block.first_time})
    (i64.store {block.gaps} (i64.const 0))
    (local.set $i (i32.const 1))
    (block $done (loop $each
      (br_if $done (i32.ge_u (local.get $i) {block.n}))
      (local.set $given {block.gaps[$i]})
      ;; of what came last: 0, 1, 2 by its gap
      (local.set $context (i32.add
        (i64.gt_s (local.get $gap) (i64.extend_i32_u (i32.load {&block.gap_limits})))
        (i64.gt_s (local.get $gap) (i64.extend_i32_u (i32.load offset=4 {&block.gap_limits})))))
      (local.set $context (select
        (i32.const 0) (i32.add (local.get $context) (i32.const 1))
        {block.is_begin[$i]}))
      (local.set $table (i32.add (local.get $tables) (i32.mul (local.get $context) {block.gap_table_bytes})))
      (local.set $most (i64.extend_i32_u (i32.sub (i32.load (local.get $table)) (i32.const 1))))
      (local.set $coarse (i64.shr_u (local.get $given) (i64.const 2)))
      (if (i64.gt_u (local.get $coarse) (local.get $most)) (then (local.set $coarse (local.get $most))))
      (local.set $coarse (i64.extend_i32_u (call $symbol (local.get $table) (i32.wrap_i64 (local.get $coarse)))))
      (if (i64.eq (local.get $coarse) (local.get $most)) (then
        (local.set $coarse (i64.add
          (local.get $most)
          (call $golomb (i64.sub (i64.shr_u (local.get $given) (i64.const 2)) (local.get $most)))))))
      (local.set $gap (i64.or
        (i64.shl (local.get $coarse) (i64.const 2))
        (i64.shl
          (call $uniform
            (local.get $low_bits)
            (i64.shr_u (i64.and (local.get $given) (i64.const 3)) (local.get $low_shift)))
          (local.get $low_shift))))
      (local.set $time (i64.add (local.get $time) (local.get $gap)))
      (if (i64.gt_u (local.get $time) (i64.const {MAX_INT})) (then
        (global.set $problem (i32.const {TOO_LATE}))))
      (br_if $done (global.get $problem))
      (i64.store {&block.gaps[$i]} (local.get $gap))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $each))))

  ;; Events are told by those before, and are of a kind by their gap; what begins has not changed.
  (func $look_back_in_time
    (local $i i32) (local $gap i64) (local $kind i32)
    (loop $each
      (local.set $gap {block.gaps[$i]})
      (local.set $kind (i32.const 0))
      (if (i32.eqz {block.is_begin[$i]}) (then
        (local.set $kind (i32.add
          (i32.add
            (i32.const 1)
            (i64.gt_s (local.get $gap) (i64.extend_i32_u (i32.load {&block.gap_limits}))))
          (i32.add
            (i64.gt_s (local.get $gap) (i64.extend_i32_u (i32.load offset=4 {&block.gap_limits})))
            (i64.gt_s (local.get $gap) (i64.extend_i32_u (i32.load offset=8 {&block.gap_limits}))))))))
      (i32.store {&block.kind[$i]} (local.get $kind))
      (i32.store {&block.changes[$i]} (i32.ne (local.get $kind) (i32.const 0)))
      (i32.store {&block.alike[$i]} (i32.const 0))
      (i32.store {&block.first[$i]} (i32.sub (local.get $i) (i32.const 1)))
      (i32.store {&block.second[$i]} (select
        (i32.sub (local.get $i) (i32.const 2)) (i32.const -1)
        (i32.gt_u (local.get $i) (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) {block.n}))))

  ;; Events are told by the nearest of the latest that are alike.
  (func $look_back_to_the_nearest
    (local $i i32) (local $group i32) (local $value i32) (local $latest i32) (local $j i32) (local $left i32)
    (local $away i32) (local $distance i32) (local $nearest i32) (local $kind i32)
    (call $fill_groups {&block.latest} (i32.const -1))
    (loop $each
      (local.set $value {block.alike_values[$i]})
      (local.set $group (select (i32.const 2) (i32.const 0) (i32.lt_s (local.get $value) (i32.const -{HALF}))))
      (if (i32.gt_s (local.get $value) (i32.const {HALF})) (then (local.set $group (i32.const 1))))
      (local.set $value {block.near_values[$i]})
      (local.set $latest {block.latest[$group]})
      ;; `second` leads from each event to the latest that is alike
      (local.set $j (local.get $latest))
      (local.set $nearest (i32.const -1))
      (local.set $distance (i32.const 0x7fffffff))
      (local.set $left (i32.const {MOST_NEAR}))
      (block $done (loop $earlier
        (br_if $done (i32.or (i32.lt_s (local.get $j) (i32.const 0)) (i32.eqz (local.get $left))))
        (local.set $away (i32.sub {block.near_values[$j]} (local.get $value)))
        (if (i32.lt_s (local.get $away) (i32.const 0)) (then
          (local.set $away (i32.sub (i32.const 0) (local.get $away)))))
        (if (i32.lt_s (local.get $away) (local.get $distance)) (then
          (local.set $distance (local.get $away))
          (local.set $nearest (local.get $j))))
        (local.set $j {block.second[$j]})
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $earlier)))
      (local.set $kind (i32.shl (local.get $group) (i32.const 2)))
      (if (i32.ge_s (local.get $nearest) (i32.const 0)) (then
        (local.set $kind (i32.add
          (i32.add (local.get $kind) (i32.const 1))
          (i32.add
            (i32.gt_s (local.get $distance) (i32.load {&block.nearest_limits}))
            (i32.gt_s (local.get $distance) (i32.load offset=4 {&block.nearest_limits})))))))
      (i32.store {&block.kind[$i]} (local.get $kind))
      (i32.store {&block.changes[$i]} (i32.const 1))
      (i32.store {&block.alike[$i]} (local.get $group))
      (i32.store {&block.first[$i]} (local.get $nearest))
      (i32.store {&block.second[$i]} (local.get $latest))
      (i32.store {&block.latest[$group]} (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) {block.n}))))

  ;; Sets a number of each group of events that are alike.
  (func $fill_groups (param $at i32) (param $value i32)
    (i32.store (local.get $at) (local.get $value))
    (i32.store offset=4 (local.get $at) (local.get $value))
    (i32.store offset=8 (local.get $at) (local.get $value)))

  ;; One dim of all events.
  (func $code_dim (param $dim i32)
    (local $i i32) (local $first i32) (local $second i32) (local $group i32) (local $after i32) (local $kind i32)
    (local $row i32) (local $mean i64) (local $running i32) (local $code i64) (local $spike i64) (local $logit i32)
    (local $value i32)
    (call $fill_groups {&block.running} {dim.start})
    (call $fill_groups {&block.count} (i32.const 0))
    ;; row -1 of a column: where there is no event before
    (local.set $first (i32.const -1))
    (i32.store {&dim.codes[$first]} (i32.const 0))
    (i32.store {&dim.values[$first]} {dim.start})
    (i32.store {&block.at_spike[$first]} (i32.const 0))
    (loop $each
      (local.set $first {block.first[$i]})
      (local.set $second {block.second[$i]})
      (local.set $group {block.alike[$i]})
      (local.set $after {block.at_spike[$first]})
      (local.set $kind {block.kind[$i]})
      (local.set $row (i32.add (i32.mul (local.get $after) (i32.const {MOST_KINDS})) (local.get $kind)))
      (local.set $running {&block.running[$group]})
      ;; what is expected
      (local.set $mean (i64.mul
        (i64.load32_s {&dim.last[$row]})
        (i64.extend_i32_s {dim.values[$first]})))
      (local.set $mean (i64.add (local.get $mean) (i64.mul
        (i64.load32_s {&dim.before[$row]})
        (i64.extend_i32_s {dim.values[$second]}))))
      (local.set $mean (i64.add (local.get $mean) (i64.mul
        (i64.load32_s {&dim.average[$row]})
        (i64.load32_s (local.get $running)))))
      (local.set $mean (i64.add
        (i64.shr_s (local.get $mean) (i64.const {VALUE_BITS}))
        (i64.load32_s {&dim.mean[$row]})))
      (if {block.changes[$i]} (then
        (local.set $mean (i64.add
          (local.get $mean)
          (i64.shr_s
            (call $changed (local.get $dim) (local.get $i) (local.get $first))
            (i64.const {VALUE_BITS}))))))
      (local.set $mean (i64.shr_s
        (i64.mul (call $clipped (local.get $mean)) (i64.extend_i32_s {dim.inverse}))
        (i64.extend_i32_u {dim.to_steps})))
      ;; the code that is likelier than its neighbours
      (if {dim.spike} (then
        (local.set $spike (i64.const 0))
        (if (i32.eq {dim.spike} (i32.const {SPIKE_BEFORE})) (then
          (local.set $spike (i64.extend_i32_s {dim.codes[$first]}))))
        (if (i32.eq {dim.spike} (i32.const {SPIKE_GAP})) (then
          (local.set $spike (i64.load32_s {&dim.filling[$i]}))))
        (local.set $logit (call $logit (local.get $dim) (local.get $i) (local.get $after) (local.get $kind)))))
      (local.set $code (call $number
        {dim.scale[$row]}
        (local.get $mean)
        (i64.load32_s {&dim.codes[$i]})
        (i32.ne {dim.spike} (i32.const 0))
        (local.get $spike)
        (local.get $logit)))
      (local.set $value (call $keep (local.get $dim) (local.get $i) (local.get $code)))
      (i32.store
        {&block.at_spike[$i]}
        (i32.and
          (i32.ne {dim.spike} (i32.const 0))
          (i64.eq (local.get $code) (local.get $spike))))
      (call $average (local.get $running) (local.get $value))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.and (i32.lt_u (local.get $i) {block.n}) (i32.eqz (global.get $problem))))))

  ;; What other numbers of an event changed by since the one that tells, weighted.
  (func $changed (param $dim i32) (param $row i32) (param $first i32) (result i64)
    (local $change i32) (local $left i32) (local $sum i64)
    (local.set $change {&dim.change})
    (local.set $left {dim.n_change})
    (block $done (loop $each
      (br_if $done (i32.eqz (local.get $left)))
      (local.set $sum (i64.add (local.get $sum) (i64.mul
        (i64.extend_i32_s {change.weight})
        (i64.extend_i32_s (i32.sub
          {change.values[$row]}
          {change.values[$first]})))))
      (local.set $change (i32.add (local.get $change) (i32.const {CHANGE_BYTES})))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $each)))
    (local.get $sum))

  ;; The logit of an event's spike.
  (func $logit (param $dim i32) (param $row i32) (param $after i32) (param $kind i32) (result i32)
    (local $telling i32) (local $left i32) (local $sum i64) (local $context i32) (local $logit i32)
    (local.set $telling {&dim.telling})
    (local.set $left {dim.n_telling})
    (block $done (loop $each
      (br_if $done (i32.eqz (local.get $left)))
      (local.set $sum (i64.add (local.get $sum) (i64.mul
        (i64.extend_i32_s {telling.weight})
        (i64.load32_s {&telling.values[$row]}))))
      (local.set $telling (i32.add (local.get $telling) (i32.const {CHANGE_BYTES})))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $each)))
    (local.set $context (local.get $kind))
    (if (i32.eq {dim.context} (i32.const {CONTEXT_BEGINS})) (then
      (local.set $context {block.is_begin[$row]})))
    (if (i32.eq {dim.context} (i32.const {CONTEXT_ENDS})) (then
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (local.set $context (i32.const 1))
      (if (i32.lt_u (local.get $row) {block.n}) (then
        (local.set $context {block.is_begin[$row]})))))
    (local.set $context (i32.add (i32.mul (local.get $after) (i32.const {MOST_KINDS})) (local.get $context)))
    (local.set $logit (i32.add
      {dim.logits[$context]}
      (i32.wrap_i64 (i64.shr_s (local.get $sum) (i64.const {TWICE_VALUE_BITS})))))
    (if (i32.gt_s (local.get $logit) (i32.const {LARGEST_LOGIT})) (then (return (i32.const {LARGEST_LOGIT}))))
    (if (i32.lt_s (local.get $logit) (i32.const -{LARGEST_LOGIT})) (then (return (i32.const -{LARGEST_LOGIT}))))
    (local.get $logit))

  ;; The running mean at an address after another value; block.count lies as far after it as block.running is long.
  (func $average (param $running i32) (param $value i32)
    (local $mean i32) (local $count i32)
    (local.set $mean (i32.load (local.get $running)))
    (local.set $count (i32.load offset={GROUP_BYTES} (local.get $running)))
    (i32.store (local.get $running) (i32.add (local.get $mean) (i32.shr_s
      (i32.mul
        (i32.sub (local.get $value) (local.get $mean))
        (i32.div_u (i32.const 256) (i32.add (local.get $count) (i32.const 2))))
      (i32.const {VALUE_BITS}))))
    (if (i32.lt_u (local.get $count) (i32.const {LONGEST_AVERAGE})) (then
      (i32.store offset={GROUP_BYTES} (local.get $running) (i32.add (local.get $count) (i32.const 1))))))

  ;; Amplitudes, each about the one before.
  (func $code_amplitudes
    (local $i i32) (local $last i64)
    (loop $each
      (local.set $last (call $number
        {block.amplitude_scale}
        (i64.shl (local.get $last) (i64.const 4))
        (i64.load32_s {&block.amplitudes[$i]})
        (i32.const 1)
        (local.get $last)
        {block.amplitude_logit}))
      (if (i32.or
          (i64.lt_s (local.get $last) (i64.const {SILENT_LEVEL_CODE}))
          (i64.gt_s (local.get $last) (i64.const {MAX_LEVEL_CODE})))
        (then
          (global.set $problem (i32.const {AMPLITUDE_OUT_OF_RANGE}))
          (local.set $last (i64.const 0))))
      (i64.store32 {&block.amplitudes[$i]} (local.get $last))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.and (i32.lt_u (local.get $i) {block.n}) (i32.eqz (global.get $problem)))))))
