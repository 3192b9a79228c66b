using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// The planned faults of a disk. Keeps true: every plan sees each call that it matches, so that each counts its own;
/// the first that strikes decides; a call that is struck by a hang counts as hanging before another thread can
/// release it. Thread-safe.
/// </summary>
internal sealed class DiskFaults(HangingCalls hanging)
{
    private readonly SteadyLock _lock = new(LockRank.Medium);
    private readonly List<Plan> _plans = [];

    /// <summary>Calls struck so far.</summary>
    public int Struck { get; private set; }

    public void Add(DiskFault fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        ArgumentOutOfRangeException.ThrowIfNegative(fault.Skip, nameof(fault));
        ArgumentOutOfRangeException.ThrowIfNegative(fault.Times, nameof(fault));
        ArgumentOutOfRangeException.ThrowIfNegative(fault.Offset, nameof(fault));
        ArgumentOutOfRangeException.ThrowIfNegative(fault.LengthBytes, nameof(fault));
        ArgumentOutOfRangeException.ThrowIfLessThan(fault.Delay, TimeSpan.Zero, nameof(fault));
        using (_lock.Hold())
        {
            _plans.Add(new Plan(fault));
        }
    }

    public void Clear()
    {
        using (_lock.Hold())
        {
            _plans.Clear();
        }
    }

    /// <summary>Drops the plans to hang, and releases what hangs because of them.</summary>
    public void Release()
    {
        using (_lock.Hold())
        {
            _ = _plans.RemoveAll(plan => IsHang(plan.Fault));
        }

        hanging.Release();
    }

    /// <summary>The fault that strikes this call, or null.</summary>
    /// <param name="call">The call.</param>
    /// <param name="hang">Where the fault is a hang before the effect: the call's place among the hanging ones.</param>
    public DiskFault? Strike(DiskCall call, out TaskCompletionSource? hang)
    {
        hang = null;
        using (_lock.Hold())
        {
            DiskFault? struck = null;
            foreach (Plan plan in _plans)
            {
                if (plan.Strikes(call))
                {
                    struck ??= plan.Fault;
                }
            }

            if (struck is not null)
            {
                Struck++;
                _ = _plans.RemoveAll(plan => plan.IsSpent && plan.Fault.Kind != DiskFaultKind.HangAfterEffect);
            }

            hang = struck?.Kind == DiskFaultKind.Hang ? hanging.Add() : null;
            return struck;
        }
    }

    /// <summary>
    /// For a call that has had its effect and was struck by <see cref="DiskFaultKind.HangAfterEffect"/>: its place;
    /// null if that was released meanwhile.
    /// </summary>
    public TaskCompletionSource? HangNow(DiskFault fault)
    {
        using (_lock.Hold())
        {
            return _plans.Exists(plan => ReferenceEquals(plan.Fault, fault)) ? hanging.Add() : null;
        }
    }

    private static bool IsHang(DiskFault fault) => fault.Kind is DiskFaultKind.Hang or DiskFaultKind.HangAfterEffect;

    private sealed class Plan(DiskFault fault)
    {
        private int _skip = fault.Skip;
        private int _left = fault.Times;

        public DiskFault Fault => fault;

        public bool IsSpent => _left == 0;

        public bool Strikes(DiskCall call)
        {
            if (!Matches(call) || _left == 0)
            {
                return false;
            }

            if (_skip > 0)
            {
                _skip--;
                return false;
            }

            _left -= _left == int.MaxValue ? 0 : 1;
            return true;
        }

        private bool Matches(DiskCall call)
        {
            if ((fault.Operation ?? call.Operation) != call.Operation)
            {
                return false;
            }

            bool affected = fault.Kind switch
            {
                DiskFaultKind.ShortRead => call.Operation == DiskOperation.Read,
                DiskFaultKind.Misdirect => call.Operation is DiskOperation.Write or DiskOperation.WriteZeroes,
                DiskFaultKind.Lost =>
                    call.Operation is DiskOperation.Write or DiskOperation.WriteZeroes or DiskOperation.Flush,
                _ => true,
            };
            bool everywhere = (fault.Offset == 0 && fault.LengthBytes == long.MaxValue)
                || call.Operation is DiskOperation.Flush or DiskOperation.SetLength;

            // Differences, since sums may exceed a long.
            return affected && (everywhere || (
                call.Offset - fault.Offset < fault.LengthBytes && fault.Offset - call.Offset < call.LengthBytes));
        }
    }
}
