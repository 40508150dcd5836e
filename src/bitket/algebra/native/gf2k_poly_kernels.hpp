// Polynomials over GF(2^k), k = 2, 4 ... 64. Included once for each way to multiply, after gf2_poly_kernels.hpp;
// BITKET_LANES are the instructions that loops over words may use.
//
// A coefficient of k bits lies in a slot of 2 k bits, so that in a carry-less product of two words the products of coefficients fall into slots
// of their own and are summed there (Kronecker's substitution); they are reduced modulo the field's polynomial when the sum is done. A word
// has c = 32 / k coefficients. With k = 64 a word is one coefficient, and the two words of a product are its slot.

namespace BITKET_SPACE {

// Residues modulo p = x^d + low over GF(2)[y] / (y^k + field), d >= 1, n = d k.
class ExtensionModulus {
 public:
  ExtensionModulus(const Words& packed, size_t n, size_t k_, uint64_t field_)
      : words((n + 63) / 64), k(k_), d(n / k_), c(k_ == 64 ? 1 : 32 / k_), field(field_), size((d + c - 1) / c), fold(size / FOLD * FOLD + FOLD) {
    slot_mask = k == 64 ? ~uint64_t(0) : (uint64_t(1) << k) - 1;
    for (size_t i = 0; i < c; ++i) mask |= slot_mask << 2 * k * i % 64;
    low = spread(packed);
    // rows: x^(d + i) mod p, for the slots of words [0, size] at d and above
    Words row(low);
    row.push_back(0);
    for (size_t i = 0; i < c * (size + 1) - d; ++i) {
      rows.insert(rows.end(), row.begin(), row.end() - 1);
      for (size_t w = size + 1; w-- > 0;) {  // times x
        uint64_t below = w ? row[w - 1] : 0;
        row[w] = c == 1 ? below : row[w] << 2 * k | below >> (64 - 2 * k);
      }
      uint64_t top = slot(row.data(), d);
      row[d / c] &= ~(slot_mask << d % c * 2 * k);
      for (size_t w = 0; w < size; ++w) row[w] ^= scaled(top, low[w]);
    }
    // shifts: x^(c j) mod p for j = size ... 2 size
    Words power(one());
    for (size_t j = 0; j <= 2 * size; ++j) {
      if (j >= size) shifts.insert(shifts.end(), power.begin(), power.end() - 1);
      times_word(power);
    }
  }

  // Packed words value[0 .. count - 1] modulo p, as for GF(2).
  BITKET_ATTRIBUTE Words residue(const uint64_t* value, size_t count) const {
    size_t each = k == 64 ? 1 : 2, left = each * count;
    Words acc(fold + 1), next(fold + 1), sums(2 * size);
    size_t head = left % fold ? left % fold : std::min(left, fold);
    left -= head;
    spread(value + left / each, acc.data(), head);
    if (left) std::call_once(once, [this] { tabulate(); });
    while (left) {
      left -= fold;
      spread(value + left / each, next.data(), fold);
      next[fold] = 0;
      for (size_t block = 0; block < fold / FOLD; ++block) {
        BITKET_DOT(acc.data() + block * FOLD, table.data() + block * FOLD * size, size, sums.data());
        add_sums(next.data(), sums);
      }
      std::swap(acc, next);
    }
    for (size_t j = fold; j-- > size + 1;) add_product(acc.data() + j - size - 1, acc[j], shifts.data() + size, size);
    Words out(acc.begin(), acc.begin() + size);
    out.push_back(0);
    add_product(out.data(), acc[size], shifts.data(), size);
    settle(out.data());
    return gathered(out);
  }

  BITKET_ATTRIBUTE Words multiply(const Words& a, const Words& b) const {
    Words left = spread(a), right = spread(b), wide(2 * size + 1);
    for (size_t i = 0; i < size; ++i) add_product(wide.data() + i, left[i], right.data(), size);
    return gathered(reduced(wide));
  }

  // Rabin's test over the field of q = 2^k elements: x^(q^d) = x, and x^(q^(d/r)) - x has no common factor with p for each prime r that
  // divides d; common factors of small degree first, as over GF(2).
  bool irreducible() const {
    if (d == 1) return true;
    if (!slot(low.data(), 0)) return false;
    std::vector<size_t> stops;
    for (size_t r = 2, m = d; m > 1; ++r)
      if (m % r == 0) {
        stops.push_back(d / r);
        while (m % r == 0) m /= r;
      }
    Words x(size);
    x[1 / c] = uint64_t(1) << 1 % c * 2 * k;
    Words power = x;
    size_t small = 1;
    while (small * small < d) ++small;
    for (size_t j = 1; j <= d; ++j) {
      for (size_t i = 0; i < k; ++i) power = square(power);
      bool stop = std::find(stops.begin(), stops.end(), j) != stops.end();
      if (j < d && (stop || (j <= small && 2 * j <= d))) {
        Words difference(power);
        for (size_t w = 0; w < size; ++w) difference[w] ^= x[w];
        if (!coprime(difference)) return false;
      }
    }
    return power == x;
  }

  size_t words;  // of 64 bits, without the slots

 private:
  // -- coefficients and words ---------------------------------------------------------------------------------------
  uint64_t slot(const uint64_t* value, size_t t) const { return value[t / c] >> t % c * 2 * k & slot_mask; }

  // Every slot of a word modulo the field's polynomial; the high half is folded down twice, for `field` has degree below k / 2 + 1.
  BITKET_ATTRIBUTE uint64_t clean(uint64_t w) const {
    for (int i = 0; i < 2; ++i) {
      uint64_t lo, hi;
      BITKET_CLMUL(w >> k & mask, field, lo, hi);
      w = (w & mask) ^ lo;
    }
    return w;
  }

  // The same of one slot of two words.
  BITKET_ATTRIBUTE uint64_t clean(uint64_t lo, uint64_t hi) const {
    while (hi) {
      uint64_t more;
      BITKET_CLMUL(hi, field, more, hi);
      lo ^= more;
    }
    return lo;
  }

  // A coefficient times all of a word.
  BITKET_ATTRIBUTE uint64_t scaled(uint64_t a, uint64_t w) const {
    uint64_t lo, hi;
    BITKET_CLMUL(a, w, lo, hi);
    return k == 64 ? clean(lo, hi) : clean(lo);
  }

  // target[0 .. size] += the sums of products
  void add_sums(uint64_t* target, const Words& sums) const {
    uint64_t carry = 0;
    for (size_t i = 0; i < size; ++i) {
      target[i] ^= k == 64 ? clean(sums[2 * i], sums[2 * i + 1]) : clean(sums[2 * i] ^ carry);
      carry = sums[2 * i + 1];
    }
    if (k != 64) target[size] ^= clean(carry);
  }

  // target[0 .. count] += a * b[0 .. count - 1]
  BITKET_ATTRIBUTE void add_product(uint64_t* target, uint64_t a, const uint64_t* b, size_t count) const {
    uint64_t carry = 0;
    for (size_t i = 0; i < count; ++i) {
      uint64_t lo, hi;
      BITKET_CLMUL(a, b[i], lo, hi);
      target[i] ^= k == 64 ? clean(lo, hi) : clean(lo ^ carry);
      carry = hi;
    }
    if (k != 64) target[count] ^= clean(carry);
  }

  // Packed words into slots: `count` words of these.
  void spread(const uint64_t* packed, uint64_t* out, size_t count) const {
    if (k == 64) std::copy(packed, packed + count, out);
    if (k == 32) spread_slots<32>(packed, out, count);
    if (k == 16) spread_slots<16>(packed, out, count);
    if (k == 8) spread_slots<8>(packed, out, count);
    if (k == 4) spread_slots<4>(packed, out, count);
    if (k == 2) spread_slots<2>(packed, out, count);
  }

  template <int K>
  BITKET_LANES static void spread_slots(const uint64_t* packed, uint64_t* out, size_t count) {
    const char* bytes = reinterpret_cast<const char*>(packed);
    for (size_t i = 0; i < count; ++i) {
      uint32_t half;
      std::memcpy(&half, bytes + 4 * i, 4);
      uint64_t w = half;
      if (K <= 16) w = (w | w << 16) & 0x0000FFFF0000FFFF;
      if (K <= 8) w = (w | w << 8) & 0x00FF00FF00FF00FF;
      if (K <= 4) w = (w | w << 4) & 0x0F0F0F0F0F0F0F0F;
      if (K <= 2) w = (w | w << 2) & 0x3333333333333333;
      out[i] = w;
    }
  }

  Words spread(const Words& packed) const {
    Words out(2 * words);
    spread(packed.data(), out.data(), k == 64 ? words : 2 * words);
    out.resize(size);
    return out;
  }

  Words gathered(const Words& value) const {
    Words out(words);
    for (size_t t = 0; t < d; ++t) out[t * k / 64] |= slot(value.data(), t) << t * k % 64;
    return out;
  }

  // -- modulo p -----------------------------------------------------------------------------------------------------
  Words one() const {
    Words power(size + 1);
    power[0] = 1;
    settle(power.data());
    return power;
  }

  void times_word(Words& power) const {
    std::copy_backward(power.begin(), power.end() - 1, power.end());
    power[0] = 0;
    settle(power.data());
  }

  void tabulate() const {
    table.resize(fold * size);
    Words power(one());
    for (size_t j = 0; j < 2 * fold; ++j) {
      if (j >= fold)
        for (size_t i = 0; i < size; ++i) table[((j - fold) / FOLD * size + i) * FOLD + j % FOLD] = power[i];
      times_word(power);
    }
  }

  // value[0 .. size], of any degree below c (size + 1): the residue, with value[size] = 0
  void settle(uint64_t* value) const {
    for (size_t t = d; t < c * (size + 1); ++t) {
      uint64_t a = slot(value, t);
      value[t / c] &= ~(slot_mask << t % c * 2 * k);
      if (a)
        for (size_t w = 0; w < size; ++w) value[w] ^= scaled(a, rows[(t - d) * size + w]);
    }
  }

  BITKET_ATTRIBUTE Words square(const Words& a) const {
    Words wide(2 * size + 1);
    for (size_t i = 0; i < size; ++i) {
      uint64_t lo, hi;
      BITKET_CLMUL(a[i], a[i], lo, hi);
      wide[2 * i] = k == 64 ? clean(lo, hi) : clean(lo);
      wide[2 * i + 1] = k == 64 ? 0 : clean(hi);
    }
    return reduced(wide);
  }

  BITKET_ATTRIBUTE Words reduced(const Words& wide) const {
    Words sums(2 * size), out(wide.begin(), wide.begin() + size);
    for (size_t j = size; j < 2 * size; ++j)
      for (size_t i = 0; i < size; ++i) {
        uint64_t lo, hi;
        BITKET_CLMUL(wide[j], shifts[(j - size) * size + i], lo, hi);
        sums[2 * i] ^= lo;
        sums[2 * i + 1] ^= hi;
      }
    out.push_back(0);
    add_sums(out.data(), sums);
    settle(out.data());
    out.resize(size);
    return out;
  }

  // Whether gcd(p, a) = 1, by Euclid's algorithm without divisions.
  bool coprime(const Words& a) const {
    Words u(d + 1), v(d);
    for (size_t t = 0; t < d; ++t) u[t] = slot(low.data(), t), v[t] = slot(a.data(), t);
    u[d] = 1;
    while (true) {
      while (!v.empty() && !v.back()) v.pop_back();
      if (v.empty()) return u.size() == 1;
      while (u.size() >= v.size()) {  // u becomes v's leading coefficient times u mod v
        uint64_t top = u.back(), lead = v.back();
        size_t by = u.size() - v.size();
        for (size_t i = 0; i < u.size(); ++i) u[i] = scaled(lead, u[i]) ^ (i < by ? 0 : scaled(top, v[i - by]));
        while (!u.empty() && !u.back()) u.pop_back();
      }
      std::swap(u, v);
    }
  }

  size_t k, d, c;
  uint64_t field, mask = 0, slot_mask;
  size_t size, fold;  // words with slots of a residue; a multiple of FOLD above it
  Words low, rows, shifts;
  mutable Words table;
  mutable std::once_flag once;
};

}  // namespace BITKET_SPACE
