;; The two passes of resize.ts on vectors of 128 bits, with the same result bit for bit.
;;
;; A weight of 22 bits is two of 11, `high · 2¹¹ + low`: products of 16 bits that are added in pairs (pmaddwd on x86, smlal on
;; ARM) then take two samples at a time, and nothing is rounded before the end. Weights come in pairs, one vector lane for two
;; neighbouring samples: i32 of high (first | second << 16), then i32 of low. The last pair's second weight may be 0.
(module
  (memory (export "memory") 1)

  ;; Four rows of RGB to four rows of `width` pixels. Reads up to 8 bytes past the last weight's pixel; writes one byte past each row.
  (func (export "across")
    (param $source i32) (param $sourcePitch i32) ;; first row, and from one row to the next, bytes
    (param $starts i32) (param $weights i32) (param $pairs i32) ;; byte offset of each window; weights; pairs of weights a window
    (param $width i32) (param $out i32) (param $outPitch i32)
    (local $end i32) (local $pair i32) (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local $high v128) (local $low v128) (local $pixels v128)
    (local $aHigh v128) (local $bHigh v128) (local $cHigh v128) (local $dHigh v128)
    (local $aLow v128) (local $bLow v128) (local $cLow v128) (local $dLow v128)
    (local.set $end (i32.add (local.get $starts) (i32.shl (local.get $width) (i32.const 2))))
    (loop $position
      (local.set $a (i32.add (local.get $source) (i32.load (local.get $starts))))
      (local.set $b (i32.add (local.get $a) (local.get $sourcePitch)))
      (local.set $c (i32.add (local.get $b) (local.get $sourcePitch)))
      (local.set $d (i32.add (local.get $c) (local.get $sourcePitch)))
      (local.set $aHigh (v128.const i32x4 0 0 0 0))
      (local.set $bHigh (v128.const i32x4 0 0 0 0))
      (local.set $cHigh (v128.const i32x4 0 0 0 0))
      (local.set $dHigh (v128.const i32x4 0 0 0 0))
      (local.set $aLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000)) ;; one half
      (local.set $bLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (local.set $cLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (local.set $dLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (local.set $pair (local.get $pairs))
      (loop $taps
        (local.set $high (v128.load32_splat (local.get $weights)))
        (local.set $low (v128.load32_splat offset=4 (local.get $weights)))
        ;; red red green green blue blue, as 16 bits
        (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $a))
          (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
        (local.set $aHigh (i32x4.add (local.get $aHigh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
        (local.set $aLow (i32x4.add (local.get $aLow) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
        (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $b))
          (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
        (local.set $bHigh (i32x4.add (local.get $bHigh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
        (local.set $bLow (i32x4.add (local.get $bLow) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
        (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $c))
          (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
        (local.set $cHigh (i32x4.add (local.get $cHigh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
        (local.set $cLow (i32x4.add (local.get $cLow) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
        (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $d))
          (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
        (local.set $dHigh (i32x4.add (local.get $dHigh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
        (local.set $dLow (i32x4.add (local.get $dLow) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
        (local.set $weights (i32.add (local.get $weights) (i32.const 8)))
        (local.set $a (i32.add (local.get $a) (i32.const 6)))
        (local.set $b (i32.add (local.get $b) (i32.const 6)))
        (local.set $c (i32.add (local.get $c) (i32.const 6)))
        (local.set $d (i32.add (local.get $d) (i32.const 6)))
        (br_if $taps (local.tee $pair (i32.sub (local.get $pair) (i32.const 1)))))
      (local.set $a (local.get $out))
      (v128.store32_lane 0 (local.get $a) (i8x16.swizzle
        (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $aHigh) (i32.const 11)) (local.get $aLow)) (i32.const 22))
        (v128.const i8x16 0 4 8 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80)))
      (local.set $a (i32.add (local.get $a) (local.get $outPitch)))
      (v128.store32_lane 0 (local.get $a) (i8x16.swizzle
        (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $bHigh) (i32.const 11)) (local.get $bLow)) (i32.const 22))
        (v128.const i8x16 0 4 8 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80)))
      (local.set $a (i32.add (local.get $a) (local.get $outPitch)))
      (v128.store32_lane 0 (local.get $a) (i8x16.swizzle
        (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $cHigh) (i32.const 11)) (local.get $cLow)) (i32.const 22))
        (v128.const i8x16 0 4 8 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80)))
      (local.set $a (i32.add (local.get $a) (local.get $outPitch)))
      (v128.store32_lane 0 (local.get $a) (i8x16.swizzle
        (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $dHigh) (i32.const 11)) (local.get $dLow)) (i32.const 22))
        (v128.const i8x16 0 4 8 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80 0x80)))
      (local.set $out (i32.add (local.get $out) (i32.const 3)))
      (br_if $position (i32.lt_u (local.tee $starts (i32.add (local.get $starts) (i32.const 4))) (local.get $end)))))

  ;; Rows to one row of `length` bytes, sixteen at a time: reads and writes up to 15 bytes more, and an even number of rows.
  (func (export "down")
    (param $rows i32) (param $pitch i32) (param $weights i32) (param $pairs i32) (param $length i32) (param $out i32)
    (local $end i32) (local $at i32) (local $weight i32) (local $pair i32)
    (local $high v128) (local $low v128) (local $first v128) (local $second v128) (local $both v128) (local $samples v128)
    (local $aHigh v128) (local $bHigh v128) (local $cHigh v128) (local $dHigh v128)
    (local $aLow v128) (local $bLow v128) (local $cLow v128) (local $dLow v128)
    (local.set $end (i32.add (local.get $out) (local.get $length)))
    (loop $chunk
      (local.set $at (local.get $rows))
      (local.set $weight (local.get $weights))
      (local.set $pair (local.get $pairs))
      (local.set $aHigh (v128.const i32x4 0 0 0 0))
      (local.set $bHigh (v128.const i32x4 0 0 0 0))
      (local.set $cHigh (v128.const i32x4 0 0 0 0))
      (local.set $dHigh (v128.const i32x4 0 0 0 0))
      (local.set $aLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (local.set $bLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (local.set $cLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (local.set $dLow (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (loop $taps
        (local.set $high (v128.load32_splat (local.get $weight)))
        (local.set $low (v128.load32_splat offset=4 (local.get $weight)))
        (local.set $first (v128.load (local.get $at)))
        (local.set $second (v128.load (i32.add (local.get $at) (local.get $pitch))))
        (local.set $both (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $first) (local.get $second)))
        (local.set $samples (i16x8.extend_low_i8x16_u (local.get $both)))
        (local.set $aHigh (i32x4.add (local.get $aHigh) (i32x4.dot_i16x8_s (local.get $samples) (local.get $high))))
        (local.set $aLow (i32x4.add (local.get $aLow) (i32x4.dot_i16x8_s (local.get $samples) (local.get $low))))
        (local.set $samples (i16x8.extend_high_i8x16_u (local.get $both)))
        (local.set $bHigh (i32x4.add (local.get $bHigh) (i32x4.dot_i16x8_s (local.get $samples) (local.get $high))))
        (local.set $bLow (i32x4.add (local.get $bLow) (i32x4.dot_i16x8_s (local.get $samples) (local.get $low))))
        (local.set $both (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $first) (local.get $second)))
        (local.set $samples (i16x8.extend_low_i8x16_u (local.get $both)))
        (local.set $cHigh (i32x4.add (local.get $cHigh) (i32x4.dot_i16x8_s (local.get $samples) (local.get $high))))
        (local.set $cLow (i32x4.add (local.get $cLow) (i32x4.dot_i16x8_s (local.get $samples) (local.get $low))))
        (local.set $samples (i16x8.extend_high_i8x16_u (local.get $both)))
        (local.set $dHigh (i32x4.add (local.get $dHigh) (i32x4.dot_i16x8_s (local.get $samples) (local.get $high))))
        (local.set $dLow (i32x4.add (local.get $dLow) (i32x4.dot_i16x8_s (local.get $samples) (local.get $low))))
        (local.set $weight (i32.add (local.get $weight) (i32.const 8)))
        (local.set $at (i32.add (i32.add (local.get $at) (local.get $pitch)) (local.get $pitch)))
        (br_if $taps (local.tee $pair (i32.sub (local.get $pair) (i32.const 1)))))
      (v128.store (local.get $out) (i8x16.narrow_i16x8_u
        (i16x8.narrow_i32x4_u (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $aHigh) (i32.const 11)) (local.get $aLow)) (i32.const 22)) (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $bHigh) (i32.const 11)) (local.get $bLow)) (i32.const 22)))
        (i16x8.narrow_i32x4_u (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $cHigh) (i32.const 11)) (local.get $cLow)) (i32.const 22)) (i32x4.shr_u (i32x4.add (i32x4.shl (local.get $dHigh) (i32.const 11)) (local.get $dLow)) (i32.const 22)))))
      (local.set $rows (i32.add (local.get $rows) (i32.const 16)))
      (br_if $chunk (i32.lt_u (local.tee $out (i32.add (local.get $out) (i32.const 16))) (local.get $end)))))

  ;; Pixels of three bytes to floats, each channel by a table of 256 floats (red's, then green's, then blue's).
  (func (export "normalise")
    (param $pixels i32) (param $count i32) (param $tables i32)
    (param $red i32) (param $green i32) (param $blue i32) (param $step i32) ;; where each goes, and from one to the next, bytes
    (local $end i32)
    (local.set $end (i32.add (local.get $pixels) (i32.mul (local.get $count) (i32.const 3))))
    (loop $pixel
      (f32.store (local.get $red) (f32.load (i32.add (local.get $tables) (i32.shl (i32.load8_u (local.get $pixels)) (i32.const 2)))))
      (f32.store (local.get $green) (f32.load offset=1024 (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=1 (local.get $pixels)) (i32.const 2)))))
      (f32.store (local.get $blue) (f32.load offset=2048 (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=2 (local.get $pixels)) (i32.const 2)))))
      (local.set $red (i32.add (local.get $red) (local.get $step)))
      (local.set $green (i32.add (local.get $green) (local.get $step)))
      (local.set $blue (i32.add (local.get $blue) (local.get $step)))
      (br_if $pixel (i32.lt_u (local.tee $pixels (i32.add (local.get $pixels) (i32.const 3))) (local.get $end))))))
