// Polynomials over GF(2) in 64-bit words, the lowest power in the lowest bit. Included once for each way to multiply: BITKET_CLMUL(a, b, lo, hi)
// gives the product of two words, BITKET_DOT sums those of many, and BITKET_SPACE names the copy.

namespace BITKET_SPACE {

using Words = std::vector<uint64_t>;

// target[0 .. words] += a * b[0 .. words - 1]
BITKET_ATTRIBUTE inline void add_product(uint64_t* target, uint64_t a, const uint64_t* b, size_t words) {
  uint64_t carry = 0;
  for (size_t i = 0; i < words; ++i) {
    uint64_t lo, hi;
    BITKET_CLMUL(a, b[i], lo, hi);
    target[i] ^= lo ^ carry;
    carry = hi;
  }
  target[words] ^= carry;
}

// Residues modulo p = x^n + low, n >= 1.
class Modulus {
 public:
  Modulus(Words low_, size_t n_) : n(n_), words((n_ + 63) / 64), fold(words / FOLD * FOLD + FOLD), low(std::move(low_)) {
    // rows: x^(n + i) mod p, for the bits of words [0, words] that lie at n and above
    size_t count = 64 * (words + 1) - n;
    rows.resize(count * words);
    Words row(low);
    for (size_t i = 0; i < count; ++i) {
      std::copy(row.begin(), row.end(), rows.begin() + i * words);
      uint64_t top = row[(n - 1) / 64] >> ((n - 1) % 64) & 1;
      uint64_t carry = 0;
      for (auto& word : row) {
        uint64_t next = word >> 63;
        word = word << 1 | carry;
        carry = next;
      }
      if (n % 64) row[words - 1] &= (uint64_t(1) << n % 64) - 1;
      if (top)
        for (size_t w = 0; w < words; ++w) row[w] ^= low[w];
    }
    // shifts: x^(64 j) mod p for j = words ... 2 words
    shifts.resize((words + 1) * words);
    Words power(one());
    for (size_t j = 0; j <= 2 * words; ++j) {
      if (j >= words) std::copy(power.begin(), power.end() - 1, shifts.begin() + (j - words) * words);
      times_word(power);
    }
  }

  // value[0 .. words], of any degree below 64 (words + 1): the residue, with value[words] = 0
  void settle(uint64_t* value) const {
    size_t first = n / 64;
    for (size_t w = first; w <= words; ++w) {
      uint64_t bits = value[w];
      if (w == first && n % 64) bits &= ~((uint64_t(1) << n % 64) - 1);
      value[w] ^= bits;
      while (bits) {
        size_t i = 64 * w + __builtin_ctzll(bits) - n;
        bits &= bits - 1;
        for (size_t k = 0; k < words; ++k) value[k] ^= rows[i * words + k];
      }
    }
  }

  // Words value[0 .. count - 1] modulo p: the top `fold` words are replaced by their products with x^(64 (fold + j)) mod p, j = 0, 1 ... ,
  // added to the next `fold` words, until one such block is left, whose words are replaced from the top.
  BITKET_ATTRIBUTE Words residue(const uint64_t* value, size_t count) const {
    size_t left = count;
    Words acc(fold + 1), next(fold + 1), sums(2 * words);
    size_t head = left % fold ? left % fold : std::min(left, fold);
    left -= head;
    std::copy(value + left, value + left + head, acc.begin());
    if (left) std::call_once(once, [this] { tabulate(); });
    while (left) {
      left -= fold;
      std::copy(value + left, value + left + fold, next.begin());
      next[fold] = 0;
      for (size_t block = 0; block < fold / FOLD; ++block) {
        BITKET_DOT(acc.data() + block * FOLD, table.data() + block * FOLD * words, words, sums.data());
        for (size_t i = 0; i < words; ++i) {
          next[i] ^= sums[2 * i];
          next[i + 1] ^= sums[2 * i + 1];
        }
      }
      std::swap(acc, next);
    }
    for (size_t j = fold; j-- > words + 1;) add_product(acc.data() + j - words - 1, acc[j], shifts.data() + words, words);
    Words out(acc.begin(), acc.begin() + words);
    out.push_back(0);
    add_product(out.data(), acc[words], shifts.data(), words);
    settle(out.data());
    out.resize(words);
    return out;
  }

  BITKET_ATTRIBUTE Words multiply(const Words& a, const Words& b) const {
    Words wide(2 * words + 1);
    for (size_t i = 0; i < words; ++i) add_product(wide.data() + i, a[i], b.data(), words);
    return reduced(wide);
  }

  BITKET_ATTRIBUTE Words square(const Words& a) const {
    Words wide(2 * words + 1);
    for (size_t i = 0; i < words; ++i) {
      uint64_t lo, hi;
      BITKET_CLMUL(a[i], a[i], lo, hi);
      wide[2 * i] = lo;
      wide[2 * i + 1] = hi;
    }
    return reduced(wide);
  }

  // Rabin (1980): irreducible if and only if x^(2^n) = x and x^(2^(n/q)) - x has no common factor with p for each prime q that divides n.
  // Common factors of small degree are looked for first (Ben-Or 1981), for most polynomials have one.
  bool irreducible() const {
    if (n == 1) return true;
    if (!(low[0] & 1)) return false;
    std::vector<size_t> stops;
    for (size_t q = 2, m = n; m > 1; ++q)
      if (m % q == 0) {
        stops.push_back(n / q);
        while (m % q == 0) m /= q;
      }
    Words x(words), power(words);
    if (n > 1) x[0] = 2;
    power = x;
    size_t small = 1;
    while (small * small < n) ++small;
    for (size_t k = 1; k <= n; ++k) {
      power = square(power);
      bool stop = std::find(stops.begin(), stops.end(), k) != stops.end();
      if (k < n && (stop || (k <= small && 2 * k <= n))) {
        Words difference(power);
        for (size_t w = 0; w < words; ++w) difference[w] ^= x[w];
        if (!coprime(difference)) return false;
      }
    }
    return power == x;
  }

  size_t n, words, fold;  // fold: a multiple of FOLD above `words`

 private:
  Words one() const {
    Words power(words + 1);
    power[0] = 1;
    settle(power.data());
    return power;
  }

  void times_word(Words& power) const {
    std::copy_backward(power.begin(), power.end() - 1, power.end());
    power[0] = 0;
    settle(power.data());
  }

  // table: word i of x^(64 (fold + j)) mod p, for BITKET_DOT; made when the first long message comes
  void tabulate() const {
    table.resize(fold * words);
    Words power(one());
    for (size_t j = 0; j < 2 * fold; ++j) {
      if (j >= fold)
        for (size_t i = 0; i < words; ++i) table[((j - fold) / FOLD * words + i) * FOLD + j % FOLD] = power[i];
      times_word(power);
    }
  }

  BITKET_ATTRIBUTE Words reduced(const Words& wide) const {
    Words out(wide.begin(), wide.begin() + words);
    out.push_back(0);
    for (size_t i = words; i < 2 * words; ++i) add_product(out.data(), wide[i], shifts.data() + (i - words) * words, words);
    settle(out.data());
    out.resize(words);
    return out;
  }

  static size_t degree(const Words& a) {  // of a polynomial that is not 0
    size_t w = a.size() - 1;
    while (!a[w]) --w;
    return 64 * w + 63 - __builtin_clzll(a[w]);
  }

  static bool zero(const Words& a) {
    return std::all_of(a.begin(), a.end(), [](uint64_t w) { return !w; });
  }

  // Whether gcd(p, a) = 1, by shifts and sums.
  bool coprime(const Words& a) const {
    if (zero(a)) return false;
    Words u(low), v(a);
    u.resize(words + 1);
    v.resize(words + 1);
    u[n / 64] ^= uint64_t(1) << n % 64;
    while (!zero(v)) {
      size_t du = degree(u), dv = degree(v);
      if (du < dv) {
        std::swap(u, v);
        std::swap(du, dv);
      }
      size_t by = du - dv, jump = by / 64, bits = by % 64;
      for (size_t w = u.size(); w-- > jump;) {
        uint64_t shifted = v[w - jump] << bits;
        if (bits && w > jump) shifted |= v[w - jump - 1] >> (64 - bits);
        u[w] ^= shifted;
      }
      if (zero(u)) return dv == 0;
    }
    return degree(u) == 0;
  }

  Words low, rows, shifts;
  mutable Words table;
  mutable std::once_flag once;
};

BITKET_ATTRIBUTE inline Words product(const Words& a, const Words& b) {
  Words out(a.size() + b.size() + 1);
  for (size_t i = 0; i < a.size(); ++i) add_product(out.data() + i, a[i], b.data(), b.size());
  return out;
}

}  // namespace BITKET_SPACE
