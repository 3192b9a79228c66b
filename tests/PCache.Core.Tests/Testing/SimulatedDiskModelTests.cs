using FsCheck;
using FsCheck.Fluent;

namespace PCache.Core.Tests.Testing;

/// <summary>
/// Random writes, changes of length, flushes and FUA writes against the fault model written down naively: the list of
/// all changes since what is durable. A power cut leaves some first changes of length, and of each sector its durable
/// content or what it was after some change, less what those changes of length cut off later.
/// </summary>
public sealed class SimulatedDiskModelTests
{
    private const int Sectors = 5;

    private enum Kind
    {
        Write,
        Zeros,
        WriteThrough,
        SetLength,
        Flush,
        FlushWithWrite,
        Discard,
    }

    [Fact]
    public void Every_power_cut_leaves_a_legal_state_and_a_kill_all()
    {
        Gen<int> offset = Gen.Frequency((2, Gen.Choose(0, Sectors * 512)),
            (2, Gen.Choose(0, Sectors).Select(s => s * 512)), (1, Gen.Choose(500, 530)));
        Gen<int> length = Gen.Frequency((2, Gen.Choose(0, 1500)), (1, Gen.Choose(1, 20)),
            (2, Gen.Choose(0, 3).Select(s => s * 512)));
        Gen<Kind> kind = Gen.Frequency(
            (8, Gen.Constant(Kind.Write)),
            (1, Gen.Constant(Kind.Zeros)),
            (2, Gen.Constant(Kind.WriteThrough)),
            (4, Gen.Constant(Kind.SetLength)),
            (2, Gen.Constant(Kind.Flush)),
            (1, Gen.Constant(Kind.FlushWithWrite)),
            (1, Gen.Constant(Kind.Discard)));
        Gen<Step> step =
            from what in kind
            from at in offset
            from count in length
            from fill in Gen.Choose(1, 250)
            select new Step(what, at, Math.Min(count, (Sectors * 512) - at), (byte)fill);
        Prop.ForAll(step.ArrayOf(30).ToArbitrary(), Run).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Over_many_draws_every_legal_state_appears_and_no_other()
    {
        var disk = new SimulatedDisk(1024, new SimulatedDiskOptions { CanResize = true });
        var model = new Model(1024);
        Step[] steps =
        [
            new(Kind.Write, 0, 1024, 1), new(Kind.Flush, 0, 0, 0), new(Kind.Write, 600, 424, 2),
                new(Kind.SetLength, 700, 0, 0), new(Kind.SetLength, 1024, 0, 0),
            new(Kind.Write, 0, 600, 3), new(Kind.Write, 1000, 1, 4),
        ];
        foreach (Step step in steps)
        {
            Apply(disk, model, step);
        }

        HashSet<string> legal = [.. model.Legal().Select(Convert.ToHexString)];
        HashSet<string> seen = [];
        var random = new Random(3);
        for (int i = 0; i < 20_000; i++)
        {
            _ = seen.Add(Convert.ToHexString(disk.AfterPowerCut(random).Snapshot()));
        }

        Assert.InRange(legal.Count, 12, 100);
        Assert.Empty(seen.Except(legal));
        Assert.Empty(legal.Except(seen));
        Assert.Equal(Convert.ToHexString(model.States[0]), Convert.ToHexString(disk.AfterPowerCut(null).Snapshot()));
    }

    private static void Run(Step[] steps)
    {
        var disk = new SimulatedDisk(1300, new SimulatedDiskOptions { CanResize = true, CanDiscard = true });
        var model = new Model(1300);
        var random = new Random(steps.Length);
        foreach (Step step in steps)
        {
            Apply(disk, model, step);
            Assert.Equal(model.States[^1], disk.Snapshot());
            Assert.Equal(model.States[0], disk.AfterPowerCut(null).Snapshot());
            for (int i = 0; i < 4; i++)
            {
                SimulatedDisk left = disk.AfterPowerCut(random);
                Assert.False(left.IsOpen);
                Assert.True(model.IsLegal(left.Snapshot()), $"after {step} a power cut left an illegal state");
            }

            SimulatedDisk killed = disk.AfterKill();
            Assert.Equal(disk.IsOpen, killed.IsOpen);
            Assert.True(model.IsLegal(killed.AfterPowerCut(random).Snapshot()),
                $"after {step} a kill and a power cut left an illegal state");
            killed.Write(0, [9]);
            killed.Flush();
            Assert.Equal(killed.Snapshot(), killed.AfterPowerCut(random).Snapshot());
        }
    }

    private static void Apply(SimulatedDisk disk, Model model, Step step)
    {
        byte[] bytes = new byte[step.Count];
        bytes.AsSpan().Fill(step.Fill);
        switch (step.Kind)
        {
            case Kind.Write:
                disk.Write(step.Offset, bytes);
                model.Write(step.Offset, bytes);
                break;
            case Kind.Zeros:
                disk.WriteZeroes(step.Offset, step.Count);
                model.Write(step.Offset, new byte[step.Count]);
                break;
            case Kind.WriteThrough:
                disk.Write(step.Offset, bytes, WriteDurability.ForceUnitAccess);
                model.Write(step.Offset, bytes);
                model.Through(step.Offset, step.Count);
                break;
            case Kind.SetLength:
                disk.SetLength(step.Offset);
                model.SetLength(step.Offset);
                break;
            case Kind.Flush:
                disk.Flush();
                model.Flush();
                break;
            case Kind.FlushWithWrite:
                // The flush has begun when the write comes: it needn't take it along, and here doesn't.
                disk.BeforeCall = _ =>
                {
                    disk.BeforeCall = null;
                    disk.Write(step.Offset, bytes);
                };
                disk.Flush();
                model.Flush();
                model.Write(step.Offset, bytes);
                break;
            default:
                disk.Discard(step.Offset, step.Count);
                int inside = Math.Clamp(model.States[^1].Length - step.Offset, 0, step.Count);
                model.Write(step.Offset, [.. Enumerable.Repeat((byte)0xDD, inside)]);
                break;
        }
    }

    private sealed record Step(Kind Kind, int Offset, int Count, byte Fill);

    /// <summary>
    /// All states since the durable one, each with what made it of the one before: a write (its range) or a change of
    /// length (null).
    /// </summary>
    private sealed class Model
    {
        private readonly List<(int Offset, int Count)?> _changes = [(0, 0)];

        public Model(int length) => States = [new byte[length]];

        public List<byte[]> States { get; private set; }

        public void Write(int offset, byte[] bytes)
        {
            if (bytes.Length == 0)
            {
                return;
            }

            if (offset + bytes.Length > States[^1].Length)
            {
                SetLength(offset + bytes.Length);
            }

            byte[] next = (byte[])States[^1].Clone();
            bytes.CopyTo(next, offset);
            States.Add(next);
            _changes.Add((offset, bytes.Length));
        }

        public void SetLength(int length)
        {
            byte[] next = (byte[])States[^1].Clone();
            Array.Resize(ref next, length);
            States.Add(next);
            _changes.Add(null);
        }

        public void Flush()
        {
            States = [States[^1]];
            _changes.RemoveRange(1, _changes.Count - 1);
        }

        /// <summary>
        /// The sectors of a range are durable: every state has them as they are now. With an open change of length all
        /// is.
        /// </summary>
        public void Through(int offset, int count)
        {
            if (_changes.Contains(null))
            {
                Flush();
                return;
            }

            for (int sector = offset / 512; count > 0 && sector * 512 < offset + count; sector++)
            {
                int at = sector * 512;
                States.ForEach(state => States[^1].AsSpan(at, Math.Min(512, state.Length - at))
                    .CopyTo(state.AsSpan(at)));
            }
        }

        public bool IsLegal(byte[] image) => Lengths()
            .Any(lengths => Bases(lengths).Length == image.Length
            && Enumerable.Range(0, Sectors + 1)
            .All(s => Candidates(lengths, s).Any(c => c.AsSpan().SequenceEqual(Sector(image, s)))));

        /// <summary>Every legal state; only for few.</summary>
        public IEnumerable<byte[]> Legal() => Lengths().SelectMany(lengths => Enumerable.Range(0, Sectors + 1)
            .Aggregate((IEnumerable<byte[]>)[[]], (states, s) =>
                states.SelectMany(_ => Candidates(lengths, s), (state, sector) => (byte[])[.. state, .. sector])));

        private static ReadOnlySpan<byte> Sector(byte[] image, int sector) =>
            image.AsSpan(Math.Min(image.Length, sector * 512), Math.Clamp(image.Length - (sector * 512), 0, 512));

        /// <summary>
        /// How many of the changes of length have happened: none, the first, the first two ... each as the places of
        /// the changes.
        /// </summary>
        private IEnumerable<int[]> Lengths()
        {
            int[] all = [.. Enumerable.Range(1, _changes.Count - 1).Where(i => _changes[i] is null)];
            return Enumerable.Range(0, all.Length + 1).Select(count => all[..count]);
        }

        private byte[] Bases(int[] lengths) => After(States[0], 0, lengths);

        /// <summary>
        /// What a sector may hold: as after each of the changes that wrote it, and changed in length since as far as
        /// that happened.
        /// </summary>
        private IEnumerable<byte[]> Candidates(int[] lengths, int sector)
        {
            int length = Bases(lengths).Length;
            for (int i = 0; i < States.Count; i++)
            {
                if (i == 0 || (_changes[i] is var (offset, count) && offset < (sector + 1) * 512 && offset
                    + count > sector * 512))
                {
                    byte[] state = After(States[i], i, lengths);
                    Array.Resize(ref state, length);
                    yield return Sector(state, sector).ToArray();
                }
            }
        }

        /// <summary>A state with those changes of length that came after it.</summary>
        private byte[] After(byte[] state, int change, int[] lengths)
        {
            byte[] after = (byte[])state.Clone();
            foreach (int i in lengths.Where(i => i > change))
            {
                Array.Resize(ref after, States[i].Length);
            }

            return after;
        }
    }
}
