namespace PCache.Testing;

/// <summary>The planned faults of a disk. Keeps true: every plan sees each call that it matches, so that each counts its own; the first that strikes decides. Thread-safe.</summary>
internal sealed class DiskFaults
{
    private readonly Lock _lock = new();
    private readonly List<Plan> _plans = [];

    public void Add(DiskFault fault)
    {
        lock (_lock)
        {
            _plans.Add(new Plan(fault));
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _plans.Clear();
        }
    }

    /// <summary>The fault that strikes this call, or null.</summary>
    public DiskFault? Strike(DiskCall call)
    {
        lock (_lock)
        {
            DiskFault? struck = null;
            foreach (Plan plan in _plans)
            {
                if (plan.Strikes(call))
                {
                    struck ??= plan.Fault;
                }
            }

            return struck;
        }
    }

    private sealed class Plan(DiskFault fault)
    {
        private int _skip = fault.Skip;
        private int _left = fault.Times;

        public DiskFault Fault => fault;

        public bool Strikes(DiskCall call)
        {
            bool whole = call.Operation is DiskOperation.Flush or DiskOperation.SetLength || fault.LengthBytes == long.MaxValue;
            bool touches = call.Offset + call.LengthBytes > fault.Offset && (whole || call.Offset < fault.Offset + fault.LengthBytes);
            if ((fault.Operation is { } wanted && wanted != call.Operation) || !(touches || call.Operation is DiskOperation.Flush or DiskOperation.SetLength) || _left == 0)
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
    }
}
